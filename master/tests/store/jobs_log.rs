//! The log of a job: kept once, in order, whatever is sent twice.

use std::time::Duration;

use bytes::Bytes;
use master::jobs::{JobsError, LogEnd};
use shared::lease::{AttemptEnding, LogKept};
use shared::limits;

use crate::engines::Database;
use crate::jobs::Queue;

on_both_engines!(
    a_log_is_kept_once_whatever_is_sent_twice,
    a_log_goes_on_over_attempts,
    a_log_is_read_from_anywhere,
    a_full_log_says_so_and_counts_on,
    who_waits_for_a_log_hears_of_more_at_once,
);

const WHOLE: usize = 100 * 1024 * 1024;

async fn append(queue: &Queue, ids: (i64, i64), offset: u64, text: &str) -> LogKept {
    let piece = Bytes::from(text.to_owned());
    let kept = queue.jobs.append_log(ids.0, ids.1, offset, piece).await;
    kept.unwrap()
}

async fn text(queue: &Queue, job: i64) -> String {
    let log = queue.jobs.log(job, 0, WHOLE).await.unwrap();
    assert_eq!(queue.get(job).await.log_bytes, log.len() as u64);
    String::from_utf8(log).unwrap()
}

async fn a_log_is_kept_once_whatever_is_sent_twice(db: &Database) {
    let queue = Queue::open(db).await;
    let id = queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    let ids = (id, lease.attempt);
    let kept = |bytes| LogKept { bytes, full: false };
    assert_eq!(append(&queue, ids, 0, "one\n").await, kept(4));
    assert_eq!(append(&queue, ids, 0, "one\n").await, kept(4));
    assert_eq!(append(&queue, ids, 2, "e\ntwo\n").await, kept(8));
    assert_eq!(append(&queue, ids, 8, "").await, kept(8));
    let three = Bytes::from_static(b"three\n");
    match queue.jobs.append_log(id, lease.attempt, 9, three).await {
        Err(JobsError::LogGap { bytes }) => assert_eq!(bytes, 8),
        other => panic!("{other:?}"),
    }
    let far = Bytes::from_static(b"x");
    let gap = queue
        .jobs
        .append_log(id, lease.attempt, u64::MAX, far)
        .await;
    assert!(
        matches!(gap, Err(JobsError::LogGap { bytes: 8 })),
        "{gap:?}"
    );
    assert_eq!(append(&queue, ids, 8, "three\n").await, kept(14));
    assert_eq!(text(&queue, id).await, "one\ntwo\nthree\n");
    queue.close().await;
}

async fn a_log_goes_on_over_attempts(db: &Database) {
    let queue = Queue::open(db).await;
    let id = queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    append(&queue, (id, lease.attempt), 0, "first\n").await;
    queue.finish(&lease, AttemptEnding::Released).await;
    let lease = queue.lease("agent-b").await;
    append(&queue, (id, lease.attempt), 0, "second\n").await;
    let said = "first\n== attempt 2 on agent-b\nsecond\n";
    assert_eq!(text(&queue, id).await, said);
    queue.close().await;
}

async fn a_log_is_read_from_anywhere(db: &Database) {
    let queue = Queue::open(db).await;
    let id = queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    let mut whole = String::new();
    for number in 0..50 {
        // Some are long enough to be packed.
        let line = format!("{number} {}\n", "é".repeat(number * 7));
        append(&queue, (id, lease.attempt), whole.len() as u64, &line).await;
        whole.push_str(&line);
    }
    let bytes = whole.as_bytes();
    assert_eq!(text(&queue, id).await, whole);
    for from in (0..bytes.len() + 3).step_by(97) {
        for length in [0, 1, 5, 1_000] {
            let read = queue.jobs.log(id, from as u64, length).await.unwrap();
            let first = from.min(bytes.len());
            let last = (from + length).min(bytes.len());
            assert_eq!(read, &bytes[first..last.max(first)], "{from} {length}");
        }
    }
    let tail = queue.jobs.log_tail(id, 100).await.unwrap();
    assert_eq!(tail, &bytes[bytes.len() - 100..]);
    assert_eq!(queue.jobs.log_tail(id, WHOLE).await.unwrap(), bytes);
    assert_eq!(queue.jobs.log(id, u64::MAX, 10).await.unwrap(), b"");
    let unknown = queue.jobs.log_tail(99, 10).await;
    assert!(
        matches!(unknown, Err(JobsError::NotFound(_))),
        "{unknown:?}"
    );
    queue.close().await;
}

async fn a_full_log_says_so_and_counts_on(db: &Database) {
    let queue = Queue::open(db).await;
    let id = queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    let piece = Bytes::from(vec![b'x'; limits::LOG_PIECE_BYTES_MAX]);
    let send = async |offset, piece: &Bytes| {
        let sent = queue
            .jobs
            .append_log(id, lease.attempt, offset, piece.clone());
        sent.await.unwrap()
    };
    let pieces = limits::JOB_LOG_BYTES_MAX / limits::LOG_PIECE_BYTES_MAX as u64;
    let mut kept = LogKept {
        bytes: 0,
        full: false,
    };
    for _ in 0..pieces {
        kept = send(kept.bytes, &piece).await;
        assert!(!kept.full);
    }
    for _ in 0..2 {
        let before = kept.bytes;
        kept = send(before, &Bytes::from_static(b"more")).await;
        assert_eq!((kept.bytes, kept.full), (before + 4, true));
    }
    let tail = queue.jobs.log_tail(id, 60).await.unwrap();
    let tail = String::from_utf8(tail).unwrap();
    let said = "x\n== the log is full: what follows is not kept\n";
    assert!(tail.ends_with(said) && !tail.contains("more"), "{tail}");
    let large = Bytes::from(vec![b'x'; limits::LOG_PIECE_BYTES_MAX + 1]);
    let refused = queue.jobs.append_log(id, lease.attempt, 0, large).await;
    assert!(matches!(refused, Err(JobsError::Invalid(_))), "{refused:?}");
    queue.close().await;
}

async fn who_waits_for_a_log_hears_of_more_at_once(db: &Database) {
    let queue = Queue::open(db).await;
    let id = queue.add_to("7").await;
    let lease = queue.lease("agent-a").await;
    let ids = (id, lease.attempt);
    let (long, soon) = (Duration::from_secs(25), Duration::from_millis(200));
    let start = std::time::Instant::now();
    let grown = async |beyond| queue.jobs.log_grown(id, beyond, long).await.unwrap();
    let going_on = |bytes| LogEnd {
        bytes,
        is_over: false,
    };
    let (end, _) = tokio::join!(grown(0), async {
        tokio::time::sleep(soon).await;
        append(&queue, ids, 0, "line\n").await
    });
    assert_eq!(end, going_on(5));
    let same = queue.jobs.log_grown(id, 5, soon).await.unwrap();
    assert_eq!(same, going_on(5));
    let (end, _) = tokio::join!(grown(5), async {
        tokio::time::sleep(soon).await;
        queue.finish(&lease, AttemptEnding::Passed).await
    });
    assert!(end.is_over && end.bytes == 5);
    // A wait that is woken by nothing looks again after 5 s.
    assert!(
        start.elapsed() < Duration::from_secs(4),
        "{:?}",
        start.elapsed()
    );
    queue.close().await;
}
