package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// A small statement spends most of its time in the parser and planner of SQLite. So each connection
// caches its prepared statements by their text.

// maxStatements is the size of the cache of a connection: more than the store has, and a few of the
// application.
const maxStatements = 256

// statements are the idle prepared statements of a connection. Only the holder of the connection
// may use it.
type statements struct {
	conn   driver.ConnPrepareContext
	idle   map[string]stmt
	closed bool
}

// stmt has the methods of the driver's statements that this package calls.
type stmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// take returns a prepared statement for exclusive use until it is given back.
func (s *statements) take(ctx context.Context, text string) (stmt, error) {
	if kept, ok := s.idle[text]; ok {
		delete(s.idle, text)
		return kept, nil
	}
	made, err := s.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	all, ok := made.(stmt)
	if !ok {
		return nil, fmt.Errorf("sqlite: %T of the driver lacks methods that this package needs", made)
	}
	return all, nil
}

// give returns a statement to the cache. It closes one that failed, and a second one with the same
// text.
func (s *statements) give(text string, used stmt, failed error) error {
	if _, there := s.idle[text]; there || s.closed || failed != nil {
		return used.Close()
	}
	if len(s.idle) >= maxStatements {
		for other, dropped := range s.idle { // in random order
			delete(s.idle, other)
			if err := dropped.Close(); err != nil {
				return err
			}
			break
		}
	}
	s.idle[text] = used
	return nil
}

// close closes the idle statements. Those in use are closed when they are given back.
func (s *statements) close() (err error) {
	s.closed = true
	for _, kept := range s.idle {
		if e := kept.Close(); err == nil {
			err = e
		}
	}
	clear(s.idle)
	return err
}

// ExecContext implements [driver.ExecerContext]. A statement without arguments is not cached: its
// values may be in its text.
func (c conn) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	if len(args) == 0 {
		return c.driverConn.ExecContext(ctx, text, args)
	}
	used, err := c.statements.take(ctx, text)
	if err != nil {
		return nil, err
	}
	result, err := used.ExecContext(ctx, args)
	if closing := c.statements.give(text, used, err); err == nil {
		err = closing
	}
	return result, err
}

// QueryContext implements [driver.QueryerContext], as ExecContext does.
func (c conn) QueryContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) == 0 {
		return c.driverConn.QueryContext(ctx, text, args)
	}
	used, err := c.statements.take(ctx, text)
	if err != nil {
		return nil, err
	}
	result, err := used.QueryContext(ctx, args)
	if err != nil {
		// The first error is more useful.
		_ = c.statements.give(text, used, err)
		return nil, err
	}
	all, ok := result.(driverRows)
	if !ok {
		// The error below is more useful.
		_ = result.Close()
		_ = c.statements.give(text, used, nil)
		return nil, fmt.Errorf("sqlite: %T of the driver lacks methods that this package needs", result)
	}
	return rows{driverRows: all, statements: c.statements, text: text, used: used}, nil
}

// Close implements [driver.Conn].
func (c conn) Close() error {
	kept := c.statements.close()
	if err := c.driverConn.Close(); err != nil {
		return err
	}
	return kept
}

// driverRows has the methods of the driver's rows that package sql calls.
type driverRows interface {
	driver.Rows
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

// rows hold a statement until they are closed, which package sql does once.
type rows struct {
	driverRows
	statements *statements
	text       string
	used       stmt
}

// Close implements [driver.Rows].
func (r rows) Close() error {
	err := r.driverRows.Close()
	if closing := r.statements.give(r.text, r.used, err); err == nil {
		err = closing
	}
	return err
}
