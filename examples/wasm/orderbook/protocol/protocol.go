package protocol

// The codes tell a client's program why it was refused.
const (
	CodeBadName       = 1
	CodeNoInstrument  = 2
	CodeExists        = 3
	CodeBadPrice      = 4
	CodeBadQuantity   = 5
	CodeBadOrder      = 6
	CodeNoOrder       = 7
	CodeFull          = 8
	CodeWouldTake     = 9
	CodeBadPage       = 10
	CodeOverflow      = 11
	CodeAlreadyFilled = 12
	CodeBadState      = 13
)

// What an exchange takes. An upgrade of one that is full takes three quarters of the fuel there is for it (BenchmarkUpgradeFull). The
// largest answers are below the sandbox's limit of 512 KiB, and all quantities of a level together, MaxOrders times MaxQuantity, fit
// into 63 bits.
const (
	MaxNameBytes     = 32
	MaxInstruments   = 1_000
	MaxOrders        = 100_000
	MaxAccountOrders = 10_000
	MaxPrice         = 1_000_000_000_000
	MaxQuantity      = 1_000_000_000_000
	// MaxFills bounds the fills of one command: what is left of its order then is cancelled.
	MaxFills = 500
	// KeptTrades is how many trades of an instrument can be asked for.
	KeptTrades   = 20
	MaxPage      = 1_000
	DefaultPage  = 100
	DefaultDepth = 10
)

// Side says which side of the book an order is on.
type Side string

// The sides.
const (
	Buy  Side = "buy"
	Sell Side = "sell"
)

// Type says whether an order has a price.
type Type string

// The types; "" is Limit.
const (
	Limit  Type = "limit"
	Market Type = "market"
)

// Force is how long an order is in force.
type Force string

// The times in force; "" is GoodTillCancelled for a limit order and ImmediateOrCancel for a market order.
const (
	GoodTillCancelled Force = "gtc"
	ImmediateOrCancel Force = "ioc"
	FillOrKill        Force = "fok"
)

// Status is what became of an order.
type Status string

// An order that is Open rests in the book.
const (
	Open      Status = "open"
	Filled    Status = "filled"
	Cancelled Status = "cancelled"
)

// Reason says why an order, or the rest of it, was cancelled.
type Reason string

// The reasons.
const (
	// ByRequest is a cancel command.
	ByRequest Reason = "request"
	// NoMatch means that nothing was left in the book that the order accepts, and that it may not rest.
	NoMatch Reason = "no_match"
	// Killed is a fill-or-kill order that could not be filled whole.
	Killed Reason = "killed"
	// SelfTrade means that the next order to match was of the same account.
	SelfTrade Reason = "self_trade"
	// FillLimit means that the command had MaxFills fills.
	FillLimit Reason = "fill_limit"
)

// Prices and quantities are whole numbers, of ticks and lots. Order IDs are the machine's, from 1 on.
type (
	// Instrument names an instrument.
	Instrument struct {
		Instrument string `json:"instrument"`
	}
	// Place is a new order. A market order has no price.
	Place struct {
		Account    string `json:"account"`
		Instrument string `json:"instrument"`
		Side       Side   `json:"side"`
		Type       Type   `json:"type,omitempty"`
		Price      int64  `json:"price,omitempty"`
		Quantity   int64  `json:"quantity"`
		Force      Force  `json:"force,omitempty"`
		PostOnly   bool   `json:"post_only,omitempty"`
	}
	// Cancel takes an order out of the book.
	Cancel struct {
		Account string `json:"account"`
		ID      uint64 `json:"id"`
	}
	// Amend changes an open order. Price 0 leaves the price; Quantity is the whole one, what is filled included.
	Amend struct {
		Account  string `json:"account"`
		ID       uint64 `json:"id"`
		Price    int64  `json:"price,omitempty"`
		Quantity int64  `json:"quantity"`
	}
	// Placed is the reply to Place, Cancel and Amend. The order's quantity is Filled, Rest and Cancelled together; Filled counts
	// earlier commands' fills too, Fills are this one's.
	Placed struct {
		ID        uint64 `json:"id"`
		Status    Status `json:"status"`
		Filled    int64  `json:"filled"`
		Rest      int64  `json:"rest"`
		Cancelled int64  `json:"cancelled,omitempty"`
		Reason    Reason `json:"reason,omitempty"`
		Fills     []Fill `json:"fills,omitempty"`
	}
	// Fill is a trade as its taker sees it: Maker is the order that had rested.
	Fill struct {
		Trade    uint64 `json:"trade"`
		Price    int64  `json:"price"`
		Quantity int64  `json:"quantity"`
		Maker    uint64 `json:"maker"`
	}
)

// The events: Trades under "trades.INSTRUMENT" and BookChange under "book.INSTRUMENT", at most one of each for a command.
type (
	// Trade is one trade. Number counts those of the instrument from 1; Side is the taker's, Maker and Taker are orders, and Buyer
	// and Seller accounts. Index is that of the command's entry.
	Trade struct {
		Number   uint64 `json:"number"`
		Index    uint64 `json:"index"`
		Side     Side   `json:"side"`
		Price    int64  `json:"price"`
		Quantity int64  `json:"quantity"`
		Maker    uint64 `json:"maker"`
		Taker    uint64 `json:"taker"`
		Buyer    string `json:"buyer"`
		Seller   string `json:"seller"`
	}
	// Trades are those of one command, or the last ones.
	Trades struct {
		Instrument string  `json:"instrument"`
		Trades     []Trade `json:"trades"`
	}
	// BookChange has the levels that a command changed, as they are afterwards; one that is gone has quantity 0. Number counts the
	// changes of the instrument from 1.
	BookChange struct {
		Instrument string        `json:"instrument"`
		Number     uint64        `json:"number"`
		Levels     []LevelChange `json:"levels"`
	}
	// LevelChange is a level with its side.
	LevelChange struct {
		Side Side `json:"side"`
		Level
	}
	// Level is all orders of one price.
	Level struct {
		Price    int64 `json:"price"`
		Quantity int64 `json:"quantity"`
		Orders   int64 `json:"orders"`
	}
)

// The queries and their answers. Number is that of the instrument's last BookChange.
type (
	// DepthOf asks for the best levels of both sides, DefaultDepth of each unless Limit says how many.
	DepthOf struct {
		Instrument string `json:"instrument"`
		Limit      int    `json:"limit,omitempty"`
	}
	// Depth are levels, the best ones first.
	Depth struct {
		Number uint64  `json:"number"`
		Bids   []Level `json:"bids"`
		Asks   []Level `json:"asks"`
	}
	// LevelsOf asks for the levels of one side behind the price After; 0 for the best ones.
	LevelsOf struct {
		Instrument string `json:"instrument"`
		Side       Side   `json:"side"`
		After      int64  `json:"after,omitempty"`
		Limit      int    `json:"limit,omitempty"`
	}
	// Levels are a page of them; Next is the After of the next page, 0 after the last.
	Levels struct {
		Number uint64  `json:"number"`
		Levels []Level `json:"levels"`
		Next   int64   `json:"next,omitempty"`
	}
	// Best are the best levels of both sides, null where there is none.
	Best struct {
		Bid *Level `json:"bid"`
		Ask *Level `json:"ask"`
	}
	// OrderID names an order.
	OrderID struct {
		ID uint64 `json:"id"`
	}
	// Order is an open one.
	Order struct {
		ID         uint64 `json:"id"`
		Account    string `json:"account"`
		Instrument string `json:"instrument"`
		Side       Side   `json:"side"`
		Price      int64  `json:"price"`
		Quantity   int64  `json:"quantity"`
		Filled     int64  `json:"filled"`
		PostOnly   bool   `json:"post_only,omitempty"`
	}
	// OrdersOf asks for the open orders of an account behind the order After.
	OrdersOf struct {
		Account string `json:"account"`
		After   uint64 `json:"after,omitempty"`
		Limit   int    `json:"limit,omitempty"`
	}
	// Orders are a page of them by ID; Next is the After of the next page, 0 after the last.
	Orders struct {
		Orders []Order `json:"orders"`
		Next   uint64  `json:"next,omitempty"`
	}
	// TradesOf asks for the last trades of an instrument, up to KeptTrades.
	TradesOf struct {
		Instrument string `json:"instrument"`
		Limit      int    `json:"limit,omitempty"`
	}
	// InstrumentsPage asks for the instruments whose names follow After.
	InstrumentsPage struct {
		After string `json:"after,omitempty"`
		Limit int    `json:"limit,omitempty"`
	}
	// Instruments are a page of names; Next is the After of the next page, "" after the last.
	Instruments struct {
		Instruments []string `json:"instruments"`
		Next        string   `json:"next,omitempty"`
	}
)
