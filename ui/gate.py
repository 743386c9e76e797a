"""Sign-in at the ASGI door."""
MIDDLEWARE: list = []
ROUTES: list = []
