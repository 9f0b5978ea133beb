"""The provider family `push`: deals each token to the service of its platform."""
