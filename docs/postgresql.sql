-- Deux comptes pour une base : celui qui possède les tables et lance `forums migrate`, et celui du service, qui lit et
-- écrit des lignes sans pouvoir changer de table. À passer une fois par le propriétaire, après son premier `forums migrate`,
-- jamais par un administrateur : ce qu'une migration ajoutera plus tard est permis de même, mais de ce compte seul. Le second compte
-- n'est créé ici que si celui-ci en a le droit. Passé deux fois, rien ne change.

DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'forums_service') THEN
        CREATE ROLE forums_service LOGIN;
    END IF;
END $$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO forums_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO forums_service;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO forums_service;

-- À quel schéma la base est : seul le propriétaire le dit.
REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM forums_service;

-- Le journal des membres ne fait que s'allonger. `actor` : le nom d'un membre qu'on retire y est gardé à côté de son rôle.
REVOKE UPDATE, DELETE ON audit_event FROM forums_service;
GRANT UPDATE (actor) ON audit_event TO forums_service;
