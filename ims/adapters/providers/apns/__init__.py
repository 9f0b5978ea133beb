"""Apple Push Notification service, HTTP/2 with token authentication."""
