#!/bin/sh
# /usr/local/bin/forums : la commande, avec les réglages du service et sous son compte, d'où qu'on l'appelle.
# Une base donnée en tête de ligne (`DATABASE_URL=… forums restore …`) l'emporte sur celle des réglages.
given=$DATABASE_URL
set -a
umask 077
HOME=/var/lib/forums
DATABASE_URL=sqlite:////var/lib/forums/forums.db
. /etc/forums.env
DATABASE_URL=${given:-$DATABASE_URL}
if [ "$(id -u)" = 0 ]; then
    exec setpriv --reuid=forums --regid=forums --init-groups /srv/forums/.venv/bin/forums "$@"
fi
exec /srv/forums/.venv/bin/forums "$@"
