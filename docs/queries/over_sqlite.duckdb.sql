INSTALL sqlite;
LOAD sqlite;
ATTACH 'recorder.db' AS archive (TYPE sqlite, READ_ONLY);
