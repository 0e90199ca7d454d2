-- What the remote calls the content that it was given: verification need not read such a file back.

ALTER TABLE sync_manifest ADD COLUMN etag TEXT COLLATE "C";
