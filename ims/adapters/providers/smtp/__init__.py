"""Mail by SMTP to a relay."""
