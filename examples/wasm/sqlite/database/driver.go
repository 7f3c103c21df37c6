package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/groutlabs/grout/sdk/client"
)

// ErrNoTransaction is the error of Begin.
var ErrNoTransaction = errors.New("database: a transaction is one command here: give its statements to Execute")

// ErrNoDriver is the error of sql.DB.Driver's Open.
var ErrNoDriver = errors.New("database: there are no names of data sources: use Open, or sql.OpenDB with a Connector")

// Open returns the database of a group. Closing it does not close the group's client.
func Open(group *client.Group) *sql.DB { return sql.OpenDB(Connector{Group: group}) }

// Connector is a driver.Connector, for sql.OpenDB.
type Connector struct {
	Group *client.Group
	// Query says where queries go and what they have to see, as for client.Group.Query.
	Query client.QueryOptions
}

// Connect implements driver.Connector. A connection is nothing but the group.
func (c Connector) Connect(context.Context) (driver.Conn, error) { return conn{c}, nil }

// Driver implements driver.Connector.
func (c Connector) Driver() driver.Driver { return noDriver{} }

type noDriver struct{}

func (noDriver) Open(string) (driver.Conn, error) { return nil, ErrNoDriver }

type conn struct{ Connector }

// Begin implements driver.Conn.
func (conn) Begin() (driver.Tx, error) { return nil, ErrNoTransaction }

// Ping implements driver.Pinger: it asks the machine.
func (c conn) Ping(ctx context.Context) error {
	_, err := query(ctx, c.Group, Statement{SQL: "SELECT 1"}, c.Query)
	return err
}

// Close implements driver.Conn.
func (conn) Close() error { return nil }

// Prepare implements driver.Conn. The machine parses the statement each time that it runs.
func (c conn) Prepare(text string) (driver.Stmt, error) { return statement{c, text}, nil }

// CheckNamedValue implements driver.NamedValueChecker: values are looked at where a request is made.
func (conn) CheckNamedValue(*driver.NamedValue) error { return nil }

// ExecContext implements driver.ExecerContext.
func (c conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	request, err := Statement{text, values(args)}.request()
	if err != nil {
		return nil, err
	}
	command, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	results, err := execute(ctx, c.Group, command)
	if err != nil {
		return nil, err
	}
	var r result
	for _, one := range results { // a script without parameters has several
		r.changes += one.Changes
		if one.LastInsertRowID != 0 {
			r.last = one.LastInsertRowID
		}
	}
	return r, nil
}

// QueryContext implements driver.QueryerContext.
func (c conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	a, err := query(ctx, c.Group, Statement{text, values(args)}, c.Query)
	if err != nil {
		return nil, err
	}
	return &rows{a, 0}, nil
}

func values(args []driver.NamedValue) []any {
	out := make([]any, len(args))
	for i, arg := range args {
		if out[i] = arg.Value; arg.Name != "" {
			out[i] = sql.Named(arg.Name, arg.Value)
		}
	}
	return out
}

// statement is a prepared statement of a sql.DB.
type statement struct {
	conn conn
	text string
}

func (statement) Close() error  { return nil }
func (statement) NumInput() int { return -1 }

func (s statement) Exec(args []driver.Value) (driver.Result, error) {
	return s.ExecContext(context.Background(), unnamed(args))
}

func (s statement) Query(args []driver.Value) (driver.Rows, error) {
	return s.QueryContext(context.Background(), unnamed(args))
}

// ExecContext implements driver.StmtExecContext.
func (s statement) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return s.conn.ExecContext(ctx, s.text, args)
}

// QueryContext implements driver.StmtQueryContext.
func (s statement) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.QueryContext(ctx, s.text, args)
}

func unnamed(args []driver.Value) []driver.NamedValue {
	out := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		out[i] = driver.NamedValue{Ordinal: i + 1, Value: arg}
	}
	return out
}

type result struct{ changes, last int64 }

func (r result) LastInsertId() (int64, error) { return r.last, nil }
func (r result) RowsAffected() (int64, error) { return r.changes, nil }

// rows are those of an answer from next on.
type rows struct {
	answer *answer
	next   int
}

func (r *rows) Columns() []string { return r.answer.Columns }
func (r *rows) Close() error      { return nil }

func (r *rows) Next(into []driver.Value) error {
	if r.next == len(r.answer.Rows) {
		return io.EOF
	}
	for i, v := range r.answer.Rows[r.next] {
		into[i] = v.plain
	}
	r.next++
	return nil
}
