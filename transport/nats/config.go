package nats

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/groutlabs/grout/sdk/api"
)

// Config says how a host reaches NATS and how much memory it may use for it.
type Config struct {
	// Host is this host's name, the token of its subjects. Required, and unique in the cluster.
	Host string
	// URL is the server, or several with commas. With neither URL nor Context it is the local default.
	URL string
	// Creds is the path of a credentials file, "" for none.
	Creds string
	// Context is the name of a nats CLI context. It excludes URL and Creds.
	Context string
	// Name prefixes the names of the connections, as the server shows them; "grout-<Host>" by default.
	Name string
	// Version is what the services report, in the form of semver; "0.0.0" by default.
	Version string
	// Log gets one line for every change of a connection and for what an operator has to know.
	// Nothing is logged when nil.
	Log *slog.Logger
	// Incarnation has to grow with every start of the host, or receivers ignore its frames until
	// they have heard nothing from its former life for a minute. It is taken from the clock, but is
	// at least this: a host with a disk remembers the last one (see Transport.Incarnation) and
	// passes one above it, in case the clock has jumped back.
	Incarnation uint64
	// QueueBytes bounds what waits for one host on one lane: 16 MiB by default.
	QueueBytes int
	// PendingBytes bounds what waits to be decoded, per subscription: 64 MiB by default.
	PendingBytes int
	// ReplyBytes bounds the replies that wait to be sent: 64 MiB by default.
	ReplyBytes int
	// AdminTimeout bounds one administrative request: 60 s by default.
	AdminTimeout time.Duration
}

const (
	defaultQueueBytes   = 16 << 20
	defaultPendingBytes = 64 << 20
	defaultReplyBytes   = 64 << 20
	defaultAdminTimeout = time.Minute
	minQueueBytes       = 4 << 10
	// maxPendingMessages bounds, beside PendingBytes, what each waiting message costs on its own.
	maxPendingMessages = 1 << 16
)

// validate fills in the defaults and returns ErrBadConfig for what cannot work.
func (c *Config) validate() error {
	if err := api.CheckName(c.Host); err != nil {
		return fmt.Errorf("%w: Host: %w", ErrBadConfig, err)
	}
	if c.Context != "" && (c.URL != "" || c.Creds != "") {
		return fmt.Errorf("%w: Context %q excludes URL and Creds: give one or the other", ErrBadConfig, c.Context)
	}
	if c.Name == "" {
		c.Name = "grout-" + c.Host
	}
	if c.Version == "" {
		c.Version = "0.0.0"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	c.Incarnation = max(c.Incarnation, clockIncarnation(time.Now()))
	for _, size := range []struct {
		name  string
		value *int
		other int
	}{
		{"QueueBytes", &c.QueueBytes, defaultQueueBytes},
		{"PendingBytes", &c.PendingBytes, defaultPendingBytes},
		{"ReplyBytes", &c.ReplyBytes, defaultReplyBytes},
	} {
		if *size.value == 0 {
			*size.value = size.other
		}
		if *size.value < minQueueBytes {
			return fmt.Errorf("%w: %s is %d, at least %d bytes are needed", ErrBadConfig, size.name, *size.value, minQueueBytes)
		}
	}
	if c.AdminTimeout == 0 {
		c.AdminTimeout = defaultAdminTimeout
	}
	if c.AdminTimeout < 0 {
		return fmt.Errorf("%w: AdminTimeout is %v, it cannot be negative", ErrBadConfig, c.AdminTimeout)
	}
	return nil
}

// clockIncarnation is the microsecond of now above 12 random bits: it grows with time until the
// year 2112, and leaves room for the numbers that one process draws between two starts.
func clockIncarnation(now time.Time) uint64 {
	return uint64(now.UnixMicro())<<12 | rand.Uint64N(1<<12)
}
