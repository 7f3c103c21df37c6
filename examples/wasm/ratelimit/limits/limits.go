// Package limits has the requests, replies, codes and limits of the machine ratelimit, which the machine and its clients share.
package limits

// What the machine takes. A rule that is refused says which limit it breaks.
const (
	// MaxClassBytes and MaxKeyBytes bound the two parts of a bucket's name.
	MaxClassBytes = 64
	MaxKeyBytes   = 256
	// MaxClasses bounds the rules.
	MaxClasses = 1_000
	// MaxTokens bounds the capacity, the rate, and what one command asks for.
	MaxTokens = 1_000_000_000
	// MaxPerSeconds is the longest time in which Rate tokens come back: 31 days.
	MaxPerSeconds = 31 * 24 * 60 * 60
	// MaxFillSeconds is the longest time that an empty bucket may take to fill: 366 days.
	MaxFillSeconds = 366 * 24 * 60 * 60
	// MaxBatch is how many buckets one command may name.
	MaxBatch = 64
	// MaxBytes bounds the buckets that are not full, each of which counts as BucketBytes and twice the length of its class and key.
	MaxBytes    = 32 << 20
	BucketBytes = 64
	// MaxVersions is how many rules of one class are remembered, the present one included, for buckets that were last used under them.
	MaxVersions = 16
)

// The codes of refusals.
const (
	CodeBadRule    = 1 // a class, capacity, rate or period out of its limits, or too many classes
	CodeNoClass    = 2 // there is no rule of this class
	CodeBadKey     = 3 // a key out of its limits
	CodeBadTokens  = 4 // a number of tokens that can never be taken
	CodeBadBatch   = 5 // no buckets, too many, or one twice
	CodeFull       = 6 // as many buckets as there may be
	CodeInUse      = 7 // a class that still has buckets
	CodeBadArchive = 8 // the state of another module, at an upgrade
)

type (
	// Rule says how buckets of a class fill: they begin full, hold Capacity tokens, and get Rate tokens back every PerSeconds (0 means 1),
	// spread evenly over that time.
	Rule struct {
		Class      string `json:"class"`
		Capacity   int64  `json:"capacity"`
		Rate       int64  `json:"rate"`
		PerSeconds int64  `json:"per_seconds,omitempty"`
	}
	// Class names a class.
	Class struct {
		Class string `json:"class"`
	}
	// Bucket names a bucket: Key may be any text, such as an address or a user's name.
	Bucket struct {
		Class string `json:"class"`
		Key   string `json:"key"`
	}
	// Take asks for tokens of a bucket; 0 means 1.
	Take struct {
		Class  string `json:"class"`
		Key    string `json:"key"`
		Tokens int64  `json:"tokens,omitempty"`
	}
	// Batch asks for tokens of several buckets: all of them or none, unless Each is set, where each is decided for itself.
	Batch struct {
		Takes []Take `json:"takes"`
		Each  bool   `json:"each,omitempty"`
	}
	// Decision is the reply to a take. Times are in nanoseconds.
	Decision struct {
		Allowed bool `json:"allowed"`
		// RetryAfter is how long it takes until as many tokens are there, 0 if they were.
		RetryAfter int64 `json:"retry_after_ns"`
		// NoRoom says that the bucket was full and is denied all the same, because the machine keeps as many buckets as it may.
		NoRoom bool `json:"no_room,omitempty"`
		State
	}
	// State is what a bucket holds after a command, or for a query as of the last entry.
	State struct {
		// Left is how many whole tokens there are, less than 0 after a penalty.
		Left     int64 `json:"left"`
		Capacity int64 `json:"capacity"`
		// ResetAfter is how long it takes until the bucket is full, and Fill how long it takes from empty to full.
		ResetAfter int64 `json:"reset_after_ns"`
		Fill       int64 `json:"fill_ns"`
		// At is the entry's stamp, in nanoseconds since 1970.
		At int64 `json:"at"`
	}
	// Decisions is the reply to a batch, in its order. Without Each, Allowed says that all were taken; when it is false nothing was, and each
	// decision says whether it would have been.
	Decisions struct {
		Allowed   bool       `json:"allowed"`
		Decisions []Decision `json:"decisions"`
	}
	// Rules is the answer to the query of that name, sorted by class.
	Rules struct {
		Rules []Rule `json:"rules"`
	}
	// Status counts what the machine holds.
	Status struct {
		Classes int `json:"classes"`
		// Buckets are those that were not full when they were last looked at; the others take no memory.
		Buckets int `json:"buckets"`
		// Bytes is what they count, see MaxBytes.
		Bytes int   `json:"bytes"`
		At    int64 `json:"at"`
	}
)
