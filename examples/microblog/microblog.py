"""The application that `flask` and gunicorn find (FLASK_APP=microblog.py)."""

from app import create_app

app = create_app()
