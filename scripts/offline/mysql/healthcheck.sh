#!/bin/sh
# the first start serves no network: only a server that takes connections is healthy
exec mariadb-admin --host=127.0.0.1 --user=health --silent ping >/dev/null 2>&1
