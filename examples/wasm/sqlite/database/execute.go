package database

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/groutlabs/grout/sdk/client"
)

// What the machine refuses, as codes of a client.RefusedError.
const (
	// CodeRequest: the request itself is wrong, such as a parameter without a value.
	CodeRequest int32 = 1
	// CodeSQL: SQLite does not take the statement, or it failed.
	CodeSQL int32 = 2
	// CodeStatement: the machine does not run statements of this kind.
	CodeStatement int32 = 3
	// CodeConstraint: a constraint of the schema does not hold.
	CodeConstraint int32 = 4
	// CodeSize: the result is too large.
	CodeSize int32 = 5
	// CodeRoom: the machine's memory is full.
	CodeRoom int32 = 6
)

// ErrConstraint is matched by the error of a statement that a constraint of the schema forbids.
var ErrConstraint = errors.New("database: a constraint does not hold")

// ErrBadReply marks a reply that is none of the SQLite example: the group runs another machine.
var ErrBadReply = errors.New("database: the reply is none of the SQLite machine")

// Statement is an SQL statement and the values of its parameters: what package database/sql takes, but for a time.Time, or a sql.NamedArg of it.
// Either all or none have names.
type Statement struct {
	SQL  string
	Args []any
}

// Result is what a statement of a command did.
type Result struct {
	// Changes is how many rows it inserted, updated or deleted itself.
	Changes int64
	// LastInsertRowID is that of the last row it inserted, 0 for none.
	LastInsertRowID int64
	// Columns and Rows are those of RETURNING, or of a SELECT.
	Columns []string
	// Rows have a value for each column: nil, an int64, a float64, a string or a []byte.
	Rows [][]any
}

// Execute runs statements in their order as one transaction, all of them or none, and returns what each did. It is also the way to the rows of
// RETURNING: sql.DB's queries cannot write.
//
// # Errors
//
// Those of client.Group.Execute, of which a refused one matches ErrConstraint where it is about one; ErrBadValue, ErrBadReply.
func Execute(ctx context.Context, group *client.Group, statements ...Statement) ([]Result, error) {
	requests := make([]request, len(statements))
	for i, s := range statements {
		var err error
		if requests[i], err = s.request(); err != nil {
			return nil, fmt.Errorf("statement %d: %w", i+1, err)
		}
	}
	command, err := json.Marshal(map[string]any{"batch": requests})
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	return execute(ctx, group, command)
}

func execute(ctx context.Context, group *client.Group, command []byte) ([]Result, error) {
	reply, err := group.Execute(ctx, command)
	if err != nil {
		return nil, refined(err)
	}
	var answer struct {
		Results []struct {
			Changes         int64     `json:"changes"`
			LastInsertRowID int64     `json:"last_insert_rowid"`
			Columns         []string  `json:"columns"`
			Rows            [][]value `json:"rows"`
		} `json:"results"`
	}
	if err := json.Unmarshal(reply.Output, &answer); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadReply, err)
	}
	results := make([]Result, len(answer.Results))
	for i, r := range answer.Results {
		results[i] = Result{Changes: r.Changes, LastInsertRowID: r.LastInsertRowID, Columns: r.Columns, Rows: plain(r.Rows)}
	}
	return results, nil
}

// answer is that of a query.
type answer struct {
	Columns []string  `json:"columns"`
	Rows    [][]value `json:"rows"`
}

func query(ctx context.Context, group *client.Group, statement Statement, options client.QueryOptions) (*answer, error) {
	request, err := statement.request()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	reply, err := group.Query(ctx, text, options)
	if err != nil {
		return nil, refined(err)
	}
	a := &answer{}
	if err := json.Unmarshal(reply.Output, a); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadReply, err)
	}
	return a, nil
}

// refined has a refusal match what it is about.
func refined(err error) error {
	if refused := (*client.RefusedError)(nil); errors.As(err, &refused) && refused.Code == CodeConstraint {
		return fmt.Errorf("%w: %w", ErrConstraint, err)
	}
	return err
}
