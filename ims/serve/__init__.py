"""How a function, or a whole home of them, is started."""
