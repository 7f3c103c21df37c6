// Package protocol has the requests, replies, events and limits of the orderbook example, which the machine shares with its
// client. README.md beside the machine describes them; start reading at Place.
package protocol
