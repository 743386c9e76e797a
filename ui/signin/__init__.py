"""The pages before the app: signing in and out, and the first admin. Plain HTML, no script, nothing from elsewhere."""
