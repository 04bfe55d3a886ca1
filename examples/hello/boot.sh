#!/bin/sh
# exec: gunicorn becomes PID 1 and gets the stop signal itself.
exec venv/bin/gunicorn --bind 0.0.0.0:5000 --access-logfile - --error-logfile - app:app
