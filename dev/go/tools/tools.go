//go:build tools

// Package tools names what a kind node needs beside Kubernetes itself, and kind, so that go.mod and go.sum pin them.
package tools

import (
	_ "github.com/coredns/coredns"
	_ "go.etcd.io/etcd/server/v3"
	_ "sigs.k8s.io/kind"
)
