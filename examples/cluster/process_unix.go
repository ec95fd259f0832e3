//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// detach keeps an interrupt at the terminal away from the command: only this process handles it.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
