//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// detach keeps an interrupt at the terminal, which is for this process, from the command.
func detach(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
