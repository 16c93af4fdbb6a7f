package main

import "github.com/spf13/cobra"

func newMcast() *cobra.Command {
	c := &cobra.Command{
		Use:   "mcast",
		Short: "receivers and senders of multicast, who listens, and what they measure",
		Args:  noArgs,
		RunE:  help,
	}
	c.AddCommand(newMcastReceive())
	c.AddCommand(newMcastSend())
	c.AddCommand(newMcastWatch())
	c.AddCommand(newMcastQuery())
	return c
}
