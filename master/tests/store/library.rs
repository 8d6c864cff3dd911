//! Snapshots, archives and versions of the test library, in the database.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use chrono::{TimeDelta, Utc};
use master::library::{Library, LibraryError, LibraryPath, NewFile};
use master::store::Store;
use shared::job::{ArchiveSource, LibrarySource, Source};
use sqlx::{AssertSqlSafe, Connection};

use crate::engines::{Database, Engine};

on_both_engines!(
    the_same_files_make_the_same_snapshot_and_it_is_kept_once,
    a_snapshot_shows_the_library_as_it_was,
    a_snapshot_names_what_it_was_asked_for,
    a_large_snapshot_comes_back_piece_by_piece,
    a_snapshot_of_many_unchanged_files_is_fast,
    what_nothing_names_is_forgotten_after_a_day,
    two_masters_keep_the_same_content_at_the_same_time,
    a_snapshot_that_was_forgotten_is_made_again,
);

fn library(store: &Store, folder: &Path) -> Library {
    Library::new(store.clone(), Some(folder.to_owned()))
}

fn write(folder: &Path, path: &str, content: &[u8]) {
    let file = folder.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, content).unwrap();
}

async fn snapshot_of(library: &Library, files: &[&str]) -> Result<String, LibraryError> {
    let files = files.iter().map(|file| (*file).to_owned()).collect();
    let mut source = Source::Library(LibrarySource {
        files,
        snapshot: Some("what a client says".to_owned()),
    });
    library.pin(&mut source).await?;
    let Source::Library(source) = source else {
        panic!("it became something else");
    };
    Ok(source.snapshot.unwrap())
}

async fn whole(library: &Library, hash: &str) -> Vec<u8> {
    let mut content = library.content(hash).await.unwrap().expect("it is there");
    let mut bytes = Vec::new();
    while let Some(piece) = content.next().await.unwrap() {
        assert!(piece.len() <= 1024 * 1024);
        bytes.extend_from_slice(&piece);
    }
    assert_eq!(bytes.len() as u64, content.bytes);
    assert_eq!(blake3::hash(&bytes).to_hex().as_str(), hash);
    bytes
}

/// Paths and contents of a tar.zst.
fn unpacked(packed: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(zstd::Decoder::new(packed).unwrap());
    let entries = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let header = entry.header();
        assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
        assert_eq!(header.mtime().unwrap(), 946_684_800);
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        (path, content)
    });
    entries.collect()
}

pub(crate) async fn count(db: &Database, statement: &str) -> i64 {
    let statement = AssertSqlSafe(statement.to_owned());
    match db.engine {
        Engine::Sqlite => {
            let mut connection = sqlx::SqliteConnection::connect(&db.url).await.unwrap();
            sqlx::query_scalar(statement)
                .fetch_one(&mut connection)
                .await
                .unwrap()
        }
        Engine::Postgres => {
            let mut connection = sqlx::PgConnection::connect(&db.url).await.unwrap();
            sqlx::query_scalar(statement)
                .fetch_one(&mut connection)
                .await
                .unwrap()
        }
    }
}

pub(crate) async fn execute(db: &Database, statement: &str) {
    let statement = AssertSqlSafe(statement.to_owned());
    match db.engine {
        Engine::Sqlite => {
            let mut connection = sqlx::SqliteConnection::connect(&db.url).await.unwrap();
            sqlx::query(statement)
                .execute(&mut connection)
                .await
                .unwrap();
        }
        Engine::Postgres => {
            let mut connection = sqlx::PgConnection::connect(&db.url).await.unwrap();
            sqlx::query(statement)
                .execute(&mut connection)
                .await
                .unwrap();
        }
    }
}

async fn the_same_files_make_the_same_snapshot_and_it_is_kept_once(db: &Database) {
    let opened = db.open().await;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let files = [
        ("test_b.py", "b"),
        ("dir/test_a.py", "a"),
        ("dir/data.json", "{}"),
    ];
    let mut hashes = Vec::new();
    for (folder, order) in folders.iter().zip([[0, 1, 2], [2, 0, 1]]) {
        for (path, content) in order.map(|index| files[index]) {
            write(folder.path(), path, content.as_bytes());
        }
        hashes.push(
            snapshot_of(&library(&opened.store, folder.path()), &[])
                .await
                .unwrap(),
        );
    }
    // Other owners, times and hidden files make no difference.
    let file = fs::File::options()
        .write(true)
        .open(folders[1].path().join("test_b.py"))
        .unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    write(folders[1].path(), ".cache/x.py", b"hidden");
    write(folders[1].path(), "__pycache__/x.pyc", b"compiled");
    hashes.push(
        snapshot_of(&library(&opened.store, folders[1].path()), &[])
            .await
            .unwrap(),
    );
    assert_eq!(hashes[0], hashes[1]);
    assert_eq!(hashes[1], hashes[2]);
    assert_eq!(count(db, "select count(*) from blobs").await, 1);
    write(folders[1].path(), "test_b.py", b"B");
    let other = snapshot_of(&library(&opened.store, folders[1].path()), &[])
        .await
        .unwrap();
    assert_ne!(other, hashes[0]);
    opened.close().await;
}

async fn a_snapshot_shows_the_library_as_it_was(db: &Database) {
    let opened = db.open().await;
    let folder = tempfile::tempdir().unwrap();
    let library = library(&opened.store, folder.path());
    let long = format!(
        "{}/test_long.py",
        "a-folder-with-a-long-name/".repeat(9).trim_end_matches('/')
    );
    write(folder.path(), &long, b"long");
    write(folder.path(), "dir/test_a.py", b"before");
    write(folder.path(), "dir/empty.txt", b"");
    std::os::unix::fs::symlink("test_a.py", folder.path().join("dir/link.py")).unwrap();
    let before = snapshot_of(&library, &["dir"]).await.unwrap();
    // The same size, and at once: only a look at the content can tell.
    write(folder.path(), "dir/test_a.py", b"behind");
    let behind = snapshot_of(&library, &["dir"]).await.unwrap();
    for (hash, content) in [(before, &b"before"[..]), (behind, b"behind")] {
        let files = unpacked(&whole(&library, &hash).await);
        let expected = [
            (long.clone(), b"long".to_vec()),
            ("dir/empty.txt".to_owned(), Vec::new()),
            ("dir/test_a.py".to_owned(), content.to_vec()),
        ];
        assert_eq!(files, expected);
    }
    opened.close().await;
}

async fn a_snapshot_names_what_it_was_asked_for(db: &Database) {
    let opened = db.open().await;
    let folder = tempfile::tempdir().unwrap();
    let library = library(&opened.store, folder.path());
    let refused = |outcome: Result<String, LibraryError>| match outcome {
        Err(LibraryError::Invalid(invalid)) => (invalid.field.clone(), invalid.to_string()),
        other => panic!("{other:?}"),
    };
    let empty = snapshot_of(&library, &[]).await.unwrap();
    assert_eq!(unpacked(&whole(&library, &empty).await), []);
    write(folder.path(), "dir/test_a.py", b"a");
    write(folder.path(), "dir-b/test_a.py", b"a");
    snapshot_of(&library, &["dir", "dir/", "dir/test_a.py", "dir-b"])
        .await
        .unwrap();
    for (name, reason) in [
        ("di", "has no `di`"),
        ("dir/test_b.py", "has no"),
        ("../dir", "part `..`"),
        ("/dir", "begin with"),
        (".git", "hidden"),
        ("dir/test_a.py::test_x", "has no"),
        ("", "name a file"),
    ] {
        let (field, told) = refused(snapshot_of(&library, &["dir", name]).await);
        assert_eq!(field, "source.files[1]", "{name}");
        assert!(told.contains(reason), "{name}: {told}");
    }
    let mut archive = Source::Archive(ArchiveSource {
        archive: "0".repeat(64),
    });
    let error = library.pin(&mut archive).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("source.archive: there is no such archive"),
        "{error}"
    );
    // A file of the library is no archive, even when its hash is known.
    let content = Bytes::from_static(b"uploaded");
    let file = NewFile {
        field: "path".to_owned(),
        path: LibraryPath::of_upload("path", "test_b.py").unwrap(),
        content: content.clone(),
    };
    library.upload(vec![file], "somebody").await.unwrap();
    let mut archive = Source::Archive(ArchiveSource {
        archive: blake3::hash(&content).to_hex().to_string(),
    });
    assert!(library.pin(&mut archive).await.is_err());
    let without = Library::new(opened.store.clone(), None);
    assert_eq!(snapshot_of(&without, &[]).await.unwrap(), empty);
    let named = snapshot_of(&without, &["test_a.py"]).await;
    assert!(matches!(named, Err(LibraryError::NoLibrary)), "{named:?}");
    opened.close().await;
}

/// Bytes that do not compress.
fn noise(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    blake3::Hasher::new().finalize_xof().fill(&mut bytes);
    bytes
}

async fn a_large_snapshot_comes_back_piece_by_piece(db: &Database) {
    let opened = db.open().await;
    let folder = tempfile::tempdir().unwrap();
    let library = library(&opened.store, folder.path());
    let content = noise(10_500_000);
    write(folder.path(), "data.bin", &content);
    let hash = snapshot_of(&library, &[]).await.unwrap();
    let files = unpacked(&whole(&library, &hash).await);
    assert!(files == [("data.bin".to_owned(), content)]);
    assert_eq!(count(db, "select count(*) from blob_parts").await, 11);
    assert!(library.content(&"0".repeat(64)).await.unwrap().is_none());
    opened.close().await;
}

async fn a_snapshot_of_many_unchanged_files_is_fast(db: &Database) {
    let opened = db.open().await;
    let folder = tempfile::tempdir().unwrap();
    let library = library(&opened.store, folder.path());
    for number in 0..200 {
        let content = vec![b'#'; 20_000];
        write(
            folder.path(),
            &format!("dir{}/test_{number}.py", number % 7),
            &content,
        );
    }
    // Times of files are believed a moment later only.
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let first = snapshot_of(&library, &[]).await.unwrap();
    let mut fastest = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        assert_eq!(snapshot_of(&library, &[]).await.unwrap(), first);
        fastest = fastest.min(began.elapsed());
    }
    assert!(fastest < Duration::from_millis(50), "{fastest:?}");
    // And it is still seen when one of them changes without a difference in size.
    let mut changed = vec![b'#'; 20_000];
    changed[7] = b'!';
    write(folder.path(), "dir0/test_0.py", &changed);
    assert_ne!(snapshot_of(&library, &[]).await.unwrap(), first);
    opened.close().await;
}

async fn what_nothing_names_is_forgotten_after_a_day(db: &Database) {
    let opened = db.open().await;
    let folder = tempfile::tempdir().unwrap();
    let library = library(&opened.store, folder.path());
    let now = Utc::now();
    let file = NewFile {
        field: "path".to_owned(),
        path: LibraryPath::of_upload("path", "test_a.py").unwrap(),
        content: Bytes::from_static(b"a version keeps this"),
    };
    library.upload(vec![file], "").await.unwrap();
    let old = snapshot_of(&library, &[]).await.unwrap();
    write(folder.path(), "test_b.py", b"b");
    let named = snapshot_of(&library, &[]).await.unwrap();
    // Unfinished: its master was killed before the last piece.
    execute(db, "insert into blobs (hash, bytes, format, stored_us, used_us) values ('half', 5, 'zip', null, 1)").await;
    assert_eq!(count(db, "select count(*) from blobs").await, 4);
    assert!(library.content("half").await.unwrap().is_none());
    assert_eq!(
        library.sweep(now).await.unwrap(),
        1,
        "the half one is old already"
    );
    assert_eq!(library.sweep(now + TimeDelta::hours(23)).await.unwrap(), 0);
    name_by_a_job(db, &named).await;
    assert_eq!(library.sweep(now + TimeDelta::hours(25)).await.unwrap(), 1);
    assert!(library.content(&old).await.unwrap().is_none());
    whole(&library, &named).await;
    assert_eq!(count(db, "select count(*) from blobs").await, 2);
    execute(db, "delete from jobs").await;
    assert_eq!(library.sweep(now + TimeDelta::hours(25)).await.unwrap(), 1);
    assert!(library.content(&named).await.unwrap().is_none());
    assert_eq!(count(db, "select count(*) from blob_parts").await, 1);
    let path = LibraryPath::of("path", "test_a.py").unwrap();
    let versions = library.versions(&path).await.unwrap();
    let content = library.version(&path, &versions[0].hash).await.unwrap();
    assert_eq!(content, "a version keeps this");
    opened.close().await;
}

/// A job that has a snapshot as its source, as the queue stores it.
async fn name_by_a_job(db: &Database, hash: &str) {
    let new =
        serde_json::json!({"username": "Steve", "source": {"type": "library", "snapshot": hash}});
    let opened = db.open().await;
    let jobs = master::jobs::Jobs::new(opened.store.clone(), Duration::from_secs(30));
    let new = serde_json::from_value(new).unwrap();
    jobs.create(new, shared::job::JobKind::Job, None)
        .await
        .unwrap();
    opened.close().await;
    let named = format!("select count(*) from jobs where source_blob = '{hash}'");
    assert_eq!(count(db, &named).await, 1);
}

async fn two_masters_keep_the_same_content_at_the_same_time(db: &Database) {
    let masters = [db.open().await, db.open().await];
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "data.bin", &noise(3_000_000));
    let libraries = [0, 1].map(|index| library(&masters[index].store, folder.path()));
    let (one, other) = tokio::join!(
        snapshot_of(&libraries[0], &[]),
        snapshot_of(&libraries[1], &[])
    );
    let hash = one.unwrap();
    assert_eq!(hash, other.unwrap());
    whole(&libraries[1], &hash).await;
    assert_eq!(count(db, "select count(*) from blob_parts").await, 3);
    for master in masters {
        master.close().await;
    }
}

async fn a_snapshot_that_was_forgotten_is_made_again(db: &Database) {
    let opened = db.open().await;
    let folder = tempfile::tempdir().unwrap();
    let library = library(&opened.store, folder.path());
    write(folder.path(), "test_a.py", b"a");
    tokio::time::sleep(Duration::from_millis(2_100)).await;
    let hash = snapshot_of(&library, &[]).await.unwrap();
    assert_eq!(
        library
            .sweep(Utc::now() + TimeDelta::hours(25))
            .await
            .unwrap(),
        1
    );
    assert!(library.content(&hash).await.unwrap().is_none());
    assert_eq!(snapshot_of(&library, &[]).await.unwrap(), hash);
    whole(&library, &hash).await;
    // What was used long ago and is used again starts its day anew.
    execute(db, "update blobs set used_us = 1").await;
    assert_eq!(snapshot_of(&library, &[]).await.unwrap(), hash);
    assert_eq!(library.sweep(Utc::now()).await.unwrap(), 0);
    opened.close().await;
}
