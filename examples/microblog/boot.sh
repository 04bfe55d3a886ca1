#!/bin/sh
# PID 1 of the container. The database may come up after us: try until its tables are there.
. venv/bin/activate
while true; do
    flask db upgrade && break
    echo Upgrade command failed, retrying in 5 secs...
    sleep 5
done
flask translate compile
# exec: gunicorn takes our place, so that `docker stop` reaches it and its end is the container's
exec gunicorn -b :5000 --access-logfile - --error-logfile - microblog:app
