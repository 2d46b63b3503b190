// SPDX-License-Identifier: MIT

// A QMP session as a program that manages virtual machines has it, with the library go-qemu: qmp_client SOCKET.
// Prints what it got, a line each; ends with status 1 at the first surprise.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/digitalocean/go-qemu/qemu"
	"github.com/digitalocean/go-qemu/qmp"
	"github.com/digitalocean/go-qemu/qmp/raw"
)

func check(what string, err error) {
	if err != nil {
		fmt.Println("FAILED", what, err)
		os.Exit(1)
	}
}

// Whoever listens must take the events, or no answer comes.
func collect(source <-chan qmp.Event) <-chan qmp.Event {
	events := make(chan qmp.Event, 100)
	go func() {
		for event := range source {
			events <- event
		}
		close(events)
	}()
	return events
}

func ask(m *raw.Monitor) {
	status, err := m.QueryStatus()
	check("query-status", err)
	fmt.Println("status", status.Status)
	name, err := m.QueryName()
	check("query-name", err)
	fmt.Println("name", *name.Name)
	memory, err := m.QueryMemorySizeSummary()
	check("query-memory-size-summary", err)
	fmt.Println("memory", memory.BaseMemory)
	_, err = m.QueryChardev()
	check("query-chardev", err)
	_, err = m.QueryBlock()
	check("query-block", err)
	schema, err := m.QueryQMPSchema()
	check("query-qmp-schema", err)
	fmt.Println("schema", len(schema) > 50)
	said, err := m.HumanMonitorCommand("info status", nil)
	check("human-monitor-command", err)
	fmt.Printf("said %q\n", said)
}

func main() {
	socket, err := qmp.NewSocketMonitor("unix", os.Args[1], 10*time.Second)
	check("socket", err)
	check("connect", socket.Connect())
	m := raw.NewMonitor(socket)
	ask(m)
	domain, err := qemu.NewDomain(socket, "guest")
	check("domain", err)
	source, _, err := domain.Events()
	check("events", err)
	events := collect(source)
	version, err := domain.Version()
	check("version", err)
	fmt.Println("version", version)
	_, err = socket.Run([]byte(`{"execute":"nonsense"}`))
	fmt.Println("refused", err)
	check("stop", m.Stop())
	check("cont", m.Cont())
	check("system_powerdown", m.SystemPowerdown())
	check("system_reset", m.SystemReset())
	for event := range events {
		fmt.Println("event", event.Event, event.Timestamp.Seconds > 0)
		if event.Event == "RESET" {
			check("quit", m.Quit())
		} else if event.Event == "SHUTDOWN" {
			return
		}
	}
}
