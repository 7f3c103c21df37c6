// Package embedded runs a NATS server inside this process, so that Grout needs nothing else on one
// machine, and on several no server of its own either. Start reading at Start.
//
// The server listens on the loopback interface unless it is told otherwise, has no JetStream and no
// authentication, and bounds connections, payloads and what waits for slow readers.
package embedded
