// Package sqlitedrivers tests the store on SQLite drivers that the library itself does not use. It
// is a separate module, so that applications that use the library do not get these drivers as
// dependencies. Both drivers register the name "sqlite3", so each has its own package.
package sqlitedrivers
