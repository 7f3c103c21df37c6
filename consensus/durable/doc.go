// Package durable is the log on disk: one Store per host holds the logs of all its groups.
//
// Start reading at Store.run in writer.go, the one goroutine that writes: it takes every write that
// all groups have queued, puts them into one atomic batch, syncs the device once, and then tells
// every caller in order. verify.go is the other half: what is checked before a folder is trusted.
//
// # What is promised
//
//   - done(nil) of GroupLog.Append is called after the write reached the device: entries and hard
//     state together, term and vote in one record (rule R6).
//   - The writes of a group become durable in their order. The writes of all groups that are queued at
//     one moment share one sync.
//   - Overwriting entries forgets all that follow them in the same atomic step. A snapshot that
//     is installed replaces the log in one atomic step.
//   - A write or sync that failed stops the store for good, in the background as in the foreground: every
//     queued and later write fails, nothing is tried again, and nothing more is written.
//   - One process at a time: a second Open of a folder is refused with ErrLocked.
//   - Every record carries a CRC-32C over its key (and so its group and index) and its value, beside
//     the library's own checksums. Every entry names the term of the entry before it, and one
//     record per group says where the log begins and ends, so that Load returns the log that was
//     acknowledged or a *CorruptionError, never a shorter one.
//
// # A torn tail and a damaged one
//
// Pebble alone cannot always tell a write that was cut off by a crash from one that was acknowledged and
// damaged later: it drops a bad record at the end of its write-ahead log; it takes a damaged log
// number in a record for the regular end of that file; and it takes a damaged manifest for one that
// ended there, after which it deletes the files that the rest had named. Grout therefore numbers its batches
// (the number is the first record of each) and keeps the last acknowledged number in a file of its own,
// the watermark. Open first reads the tables without any write-ahead log, then the write-ahead
// logs, and requires an unbroken run of numbers from the one to at least the watermark, before Pebble
// may change or delete a file. What is missing below the watermark is an error; what is damaged above it
// was never acknowledged, and is cut.
//
// # What cannot be told apart
//
// The watermark is written after each sync but not synced itself (the kernel does that within about
// thirty seconds; Close and Open do it at once). A killed process loses nothing of it. After a
// power failure it may be older than the last acknowledged batch. Damage to an older batch still shows, because a
// later one proves that it had been acknowledged (tail.go). If the very last acknowledged batch was damaged on the device, within
// seconds before the power failed, it looks like a torn one and is cut. So does a folder whose
// files were all replaced by an older copy. Neither can be seen from inside one folder; the digests of
// snapshots (rule R8) and a new identity for a restored disk (rule R6) are the answer.
package durable
