package sqlitetest

import "syscall"

// mountSmall mounts a file system of a megabyte. Only root may.
func mountSmall(dir string) error { return syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m") }

func unmount(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }
