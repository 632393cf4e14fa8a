INSTALL postgres;
LOAD postgres;
ATTACH 'dbname=recorder' AS archive (TYPE postgres, READ_ONLY);
