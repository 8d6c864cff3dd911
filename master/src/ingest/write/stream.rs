//! Work on runs that go on.

use chrono::DateTime;
use shared::limits;
use shared::status::RunStatus;

use super::complete::{self, is_lost};
use super::{Change, contents};
use crate::ingest::error::StreamError;
use crate::ingest::stream::{
    Appending, Closing, Finishing, Opened, Opening, PackedBatch, Tallies, Tally, elapsed_s, opened,
    unpack_opening,
};
use crate::ingest::work::{Work, Written};
use crate::store::bodies::{self, NewBody};
use crate::store::changes::ChangeKind;
use crate::store::engine::Transacting;
use crate::store::stream_batches::{self, NewBatchRow};
use crate::store::streams::{self, NewStream, StreamRow};
use crate::store::{StoreError, runs};

/// Does one thing to one run.
pub(super) async fn one<'a>(
    transaction: &mut Transacting,
    work: &'a Work,
    change: &mut Change<'a>,
    tallies: &mut Tallies,
) -> Result<Written, StoreError> {
    match work {
        // Whole runs are claimed, see `claim`.
        Work::Save(_) => Ok(Written::Conflict),
        Work::Open(opening) => open(transaction, opening, change, tallies).await,
        Work::Append(appending) => append(transaction, appending, change, tallies).await,
        Work::Finish(finishing) => finish(transaction, finishing, change, tallies).await,
        Work::Close(closing) => close(transaction, closing, change, tallies).await,
    }
}

async fn open(
    transaction: &mut Transacting,
    opening: &Opening,
    change: &mut Change<'_>,
    tallies: &mut Tallies,
) -> Result<Written, StoreError> {
    let row = &opening.opened.row;
    let added = runs::insert(transaction, &[row]).await?;
    if let Some((run, _)) = added.first() {
        show(transaction, *run, &opening.opened).await?;
        let stream = NewStream {
            run: *run,
            opening: &opening.packed,
            open_hash: opening.hash,
            heard_us: opening.heard_us,
            progress: &opening.progress,
        };
        streams::insert(transaction, &stream).await?;
        change.tell(ChangeKind::Started, *run);
        return Ok(Written::Created { batches: 0 });
    }
    let stream = match live(transaction, &row.run_id).await? {
        Ok(stream) => stream,
        Err(refusal) => {
            let worker = runs::worker(transaction, &row.run_id).await?;
            let is_other = worker.is_some_and(|worker| worker != row.worker_id);
            return Ok(if is_other { Written::Conflict } else { refusal });
        }
    };
    if stream.open_hash != opening.hash.bytes() {
        return Ok(Written::Conflict);
    }
    hear(transaction, &stream, opening.heard_us, change, tallies).await?;
    Ok(unchanged(&stream))
}

/// The empty body of a run without results.
async fn show(transaction: &mut Transacting, run: i64, opened: &Opened) -> Result<(), StoreError> {
    let body = NewBody {
        run,
        layout: None,
        columns: None,
        details: &opened.details,
    };
    bodies::insert(transaction, &[body]).await
}

/// The run with an id, locked, if it can be reported on.
async fn live(
    transaction: &mut Transacting,
    run_id: &str,
) -> Result<Result<StreamRow, Written>, StoreError> {
    if let Some(stream) = streams::lock(transaction, run_id).await? {
        return Ok(if stream.is_over() {
            Err(Written::Refused(StreamError::Finished))
        } else {
            Ok(stream)
        });
    }
    let refusal = match runs::worker(transaction, run_id).await? {
        Some(_) => StreamError::Finished,
        None => StreamError::NotFound(run_id.to_owned()),
    };
    Ok(Err(Written::Refused(refusal)))
}

/// The worker was heard: a run that was lost goes on.
async fn hear(
    transaction: &mut Transacting,
    stream: &StreamRow,
    heard_us: i64,
    change: &mut Change<'_>,
    tallies: &mut Tallies,
) -> Result<(), StoreError> {
    streams::hear(transaction, stream.run, heard_us).await?;
    if !is_lost(stream) {
        return Ok(());
    }
    change.tell(ChangeKind::Started, stream.run);
    change.counted.take_back(transaction, stream).await?;
    contents::remove(transaction, stream.run).await?;
    let received_at = DateTime::from_timestamp_micros(stream.received_us).unwrap_or_default();
    let opened = opened(unpack_opening(&stream.opening)?, received_at)?;
    runs::replace(transaction, stream.run, &opened.row, opened.has_timestamp).await?;
    show(transaction, stream.run, &opened).await?;
    let tally = counted(transaction, stream, tallies).await?;
    let duration_s = elapsed_s(stream.received_us, heard_us);
    runs::count(transaction, stream.run, &tally.row(duration_s)).await
}

/// The tally of a run after all its batches.
async fn counted<'t>(
    transaction: &mut Transacting,
    stream: &StreamRow,
    tallies: &'t mut Tallies,
) -> Result<&'t mut Tally, StoreError> {
    let tally = tallies.of(stream.run);
    if tally.batch_count > stream.batch_count {
        *tally = Tally::default();
    }
    let (after, last) = (tally.batch_count, stream.batch_count);
    if after < last {
        for marks in stream_batches::marks(transaction, stream.run, after, last).await? {
            tally.add(&marks)?;
        }
    }
    Ok(tally)
}

async fn append(
    transaction: &mut Transacting,
    appending: &Appending,
    change: &mut Change<'_>,
    tallies: &mut Tallies,
) -> Result<Written, StoreError> {
    let stream = match live(transaction, &appending.run_id).await? {
        Ok(stream) => stream,
        Err(refusal) => return Ok(refusal),
    };
    hear(transaction, &stream, appending.heard_us, change, tallies).await?;
    if let Some(batch) = &appending.cases {
        let next = stream.batch_count + 1;
        if batch.number < next {
            return repeated(transaction, &stream, batch).await;
        }
        if batch.number > next {
            let next = next as u64;
            return Ok(Written::Refused(StreamError::BatchGap { next }));
        }
        if let Some(refusal) = add(transaction, &stream, batch, appending.heard_us, tallies).await?
        {
            return Ok(Written::Refused(refusal));
        }
    }
    streams::tell(transaction, stream.run, &appending.progress).await?;
    change.tell(ChangeKind::Progressed, stream.run);
    Ok(match &appending.cases {
        Some(batch) => Written::Created {
            batches: batch.number as u64,
        },
        None => unchanged(&stream),
    })
}

/// A batch whose number is taken.
async fn repeated(
    transaction: &mut Transacting,
    stream: &StreamRow,
    batch: &PackedBatch,
) -> Result<Written, StoreError> {
    let known = stream_batches::batch_id(transaction, stream.run, batch.number).await?;
    Ok(if known.as_ref() == Some(&batch.batch_id) {
        unchanged(stream)
    } else {
        let number = batch.number as u64;
        Written::Refused(StreamError::BatchConflict { number })
    })
}

async fn add(
    transaction: &mut Transacting,
    stream: &StreamRow,
    batch: &PackedBatch,
    heard_us: i64,
    tallies: &mut Tallies,
) -> Result<Option<StreamError>, StoreError> {
    if stream.bytes + batch.bytes > limits::BODY_BYTES_MAX as i64 {
        return Ok(Some(StreamError::TooLarge));
    }
    let tally = counted(transaction, stream, tallies).await?;
    tally.add(&batch.marks)?;
    if tally.total() > limits::RUN_CASES_MAX {
        tallies.forget(stream.run);
        return Ok(Some(StreamError::TooManyCases));
    }
    let row = NewBatchRow {
        run: stream.run,
        number: batch.number,
        batch_id: &batch.batch_id,
        cases: &batch.cases,
        marks: &batch.marks,
    };
    stream_batches::insert(transaction, &row).await?;
    streams::grow(transaction, stream.run, batch.number, batch.bytes).await?;
    let duration_s = elapsed_s(stream.received_us, heard_us);
    runs::count(transaction, stream.run, &tally.row(duration_s)).await?;
    Ok(None)
}

async fn finish<'a>(
    transaction: &mut Transacting,
    finishing: &'a Finishing,
    change: &mut Change<'a>,
    tallies: &mut Tallies,
) -> Result<Written, StoreError> {
    let plan = &finishing.plan;
    let changed = Written::Refused(StreamError::Changed);
    let stream = match streams::lock(transaction, &plan.row.run_id).await? {
        Some(stream) if stream.run == finishing.run => stream,
        _ => return Ok(changed),
    };
    if stream.finish_hash.is_some() || stream.batch_count != finishing.batch_count {
        return Ok(changed);
    }
    streams::hear(transaction, stream.run, finishing.heard_us).await?;
    complete::replace(transaction, &stream, plan, change).await?;
    streams::finish(transaction, stream.run, finishing.hash).await?;
    stream_batches::remove(transaction, stream.run).await?;
    tallies.forget(stream.run);
    Ok(Written::Created {
        batches: finishing.batch_count as u64,
    })
}

async fn close<'a>(
    transaction: &mut Transacting,
    closing: &'a Closing,
    change: &mut Change<'a>,
    tallies: &mut Tallies,
) -> Result<Written, StoreError> {
    let run_id = &closing.plan.row.run_id;
    let stream = streams::lock(transaction, run_id).await?.filter(|stream| {
        let goes_on = stream.status == RunStatus::Running.as_str() && stream.finish_hash.is_none();
        goes_on && stream.pulse == closing.pulse
    });
    let Some(stream) = stream else {
        return Ok(Written::Refused(StreamError::Changed));
    };
    // The batches stay, for a worker that comes back.
    complete::replace(transaction, &stream, &closing.plan, change).await?;
    tallies.forget(stream.run);
    Ok(Written::Created {
        batches: stream.batch_count as u64,
    })
}

fn unchanged(stream: &StreamRow) -> Written {
    Written::Unchanged {
        batches: stream.batch_count as u64,
    }
}
