// Package node wires the parts of Grout into one host: the durable log, the sandbox, the transport
// and the host that joins them. It is the only place that knows all of them.
package node
