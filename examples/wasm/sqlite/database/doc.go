// Package database is the Go client of the SQLite example: a group that runs it, as a database of package database/sql.
//
//	db := database.Open(c.Group("sqlite"))
//	_, err := db.ExecContext(ctx, "INSERT INTO account (name, balance) VALUES (?, ?)", "ana", 100)
//	err = db.QueryRowContext(ctx, "SELECT balance FROM account WHERE name = ?", "ana").Scan(&balance)
//
// Each Exec is one command of the group, and so one transaction: it is durable on a majority when it returns, and applied exactly once, also when
// the leader dies meanwhile. Several statements are one transaction with Execute. Begin is an error: a transaction that waits for its client
// would keep all other commands waiting. A query goes to the leader unless Connector says otherwise, and sees every command that was answered before it.
package database
