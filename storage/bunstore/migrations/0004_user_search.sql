-- What the user search needs: exact names, and parts of names. The database itself updates the
-- parts in the statement that changes a name in {users}, so that rows written by other means are
-- found too.
--
-- A gram is a part of a name with 2 or 3 characters. A longer part of a name contains several
-- grams, a shorter one none.

-- These indexes cover the beginning of a name, because a folded name may be too long for an index.
CREATE INDEX {users}_first_name ON {users} (substr(first_name_fold, 1, 100), number);
CREATE INDEX {users}_last_name ON {users} (substr(last_name_fold, 1, 100), number);
CREATE INDEX {users}_names ON {users} (substr(last_name_fold, 1, 100), substr(first_name_fold, 1, 100), number);

-- On SQLite, a trigger cannot have a WITH clause. The positions in a name come from an array with
-- as many zeros as the name has characters.
{{define "grams"}}json_each(json_array({{.}}.username_fold, {{.}}.first_name_fold, {{.}}.last_name_fold)) name, json_each('[2,3]') size,
        json_each('[' || rtrim(replace(hex(zeroblob(length(name.value))), '00', '0,'), ',') || ']') place
        WHERE place.key + size.value <= length(name.value){{end}}
{{define "gram"}}substr(name.value, place.key + 1, size.value){{end}}

{{if .PostgreSQL}}
-- No column stores the grams, only the index, which compresses them. fastupdate is off because a
-- search would otherwise read all pending entries.
CREATE FUNCTION {user_grams}(names text[]) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE COST 10000 AS
    'SELECT array_agg(DISTINCT substr(name, place, size)) FROM unnest(names) name, generate_series(2, 3) size, generate_series(1, length(name) + 1 - size) place';
CREATE INDEX {users}_grams ON {users}
    USING gin ({user_grams}(ARRAY[username_fold COLLATE "C", first_name_fold COLLATE "C", last_name_fold COLLATE "C"])) WITH (fastupdate = off);
{{else}}
CREATE TABLE {user_grams} (
    gram   TEXT NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (gram, number)
) WITHOUT ROWID;
INSERT INTO {user_grams} (gram, number)
    SELECT DISTINCT {{template "gram"}}, u.number FROM {users} u, {{template "grams" "u"}} ORDER BY 1, 2;
CREATE TRIGGER {users}_made AFTER INSERT ON {users} BEGIN
    INSERT INTO {user_grams} (gram, number) SELECT DISTINCT {{template "gram"}}, new.number FROM {{template "grams" "new"}}; END;
CREATE TRIGGER {users}_gone AFTER DELETE ON {users} BEGIN
    DELETE FROM {user_grams} WHERE number = old.number AND gram IN (SELECT {{template "gram"}} FROM {{template "grams" "old"}}); END;
CREATE TRIGGER {users}_renamed AFTER UPDATE OF number, username_fold, first_name_fold, last_name_fold ON {users}
    WHEN old.number <> new.number OR old.username_fold <> new.username_fold OR old.first_name_fold <> new.first_name_fold OR old.last_name_fold <> new.last_name_fold BEGIN
    DELETE FROM {user_grams} WHERE number = old.number AND gram IN (SELECT {{template "gram"}} FROM {{template "grams" "old"}}); {{/* on one line: a statement ends where a line does
    */}} INSERT INTO {user_grams} (gram, number) SELECT DISTINCT {{template "gram"}}, new.number FROM {{template "grams" "new"}}; END;
{{end}}
