// Package sqlitedrivers tests the store on SQLite drivers that the library does not use itself. It is a module of its own, so that
// an application that uses the library does not get them. Both drivers take the name "sqlite3", so each has a package of its own.
package sqlitedrivers
