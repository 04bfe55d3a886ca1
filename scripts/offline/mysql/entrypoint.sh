#!/bin/bash
# Takes the variables of mysql/mysql-server. The first start makes the database; `docker stop`
# reaches the server, which takes this script's place.
set -euo pipefail
data=/var/lib/mysql
case "${1:-}" in
mysqld) shift ;;
-*) ;;
*) exec "$@" ;;
esac
quoted() { # a string in SQL
    local text=${1//\\/\\\\}
    printf "'%s'" "${text//\'/\'\'}"
}
first_statements() {
    echo 'FLUSH PRIVILEGES;' # --bootstrap begins without the tables of users
    echo "ALTER USER root@localhost IDENTIFIED BY $(quoted "$root_password");"
    if [ -n "${MYSQL_ROOT_HOST:-}" ]; then
        echo "CREATE USER root@$(quoted "$MYSQL_ROOT_HOST") IDENTIFIED BY $(quoted "$root_password");"
        echo "GRANT ALL ON *.* TO root@$(quoted "$MYSQL_ROOT_HOST") WITH GRANT OPTION;"
    fi
    [ -z "${MYSQL_DATABASE:-}" ] || echo "CREATE DATABASE \`$MYSQL_DATABASE\`;"
    if [ -n "${MYSQL_USER:-}" ]; then
        echo "CREATE USER $(quoted "$MYSQL_USER")@'%' IDENTIFIED BY $(quoted "${MYSQL_PASSWORD:-}");"
        [ -z "${MYSQL_DATABASE:-}" ] ||
            echo "GRANT ALL ON \`$MYSQL_DATABASE\`.* TO $(quoted "$MYSQL_USER")@'%';"
    fi
    echo 'FLUSH PRIVILEGES;'
}
options=(--user=mysql --datadir="$data" --innodb-log-file-size=8M)
if [ ! -d "$data/mysql" ]; then
    root_password=${MYSQL_ROOT_PASSWORD:-}
    if [ -n "${MYSQL_RANDOM_ROOT_PASSWORD:-}" ]; then
        root_password=$(head -c 18 /dev/urandom | base64 | tr '/+' 'ab')
        echo "[Entrypoint] GENERATED ROOT PASSWORD: $root_password"
    elif [ -z "$root_password" ] && [ -z "${MYSQL_ALLOW_EMPTY_PASSWORD:-}" ]; then
        echo >&2 '[Entrypoint] No password option specified for new database.'
        exit 1
    fi
    echo '[Entrypoint] Initializing database'
    chown mysql:mysql "$data"
    mariadb-install-db "${options[@]}" --skip-test-db --auth-root-authentication-method=normal >/dev/null
    first_statements | mariadbd "${options[@]}" --bootstrap --skip-networking
    echo '[Entrypoint] Database initialized'
fi
echo '[Entrypoint] Starting MariaDB, standing in for MySQL'
exec mariadbd "${options[@]}" --bind-address=0.0.0.0 --skip-name-resolve \
    --innodb-buffer-pool-size=64M --character-set-server=utf8mb4 "$@"
