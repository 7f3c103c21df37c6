package main

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	// speedBytes are written to the disk, and sent over loopback, to measure them.
	speedBytes = 512 << 20
	pieceBytes = 1 << 20
)

// speeds are in MiB a second.
type speeds struct{ disk, loopback float64 }

// measureSpeeds measures the disk that holds dir, and loopback.
func measureSpeeds(dir string) (s speeds, err error) {
	if s.disk, err = diskSpeed(filepath.Join(dir, "speed")); err == nil {
		s.loopback, err = loopbackSpeed()
	}
	return s, err
}

// diskSpeed writes a file in one go and syncs it.
func diskSpeed(path string) (float64, error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	piece := make([]byte, pieceBytes)
	for i := range piece {
		piece[i] = byte(i * 31)
	}
	began := time.Now()
	for range speedBytes / pieceBytes {
		if _, err = f.Write(piece); err != nil {
			break
		}
	}
	err = errors.Join(err, f.Sync())
	took := time.Since(began)
	return mebis(took), errors.Join(err, f.Close(), os.Remove(path))
}

// loopbackSpeed sends as much through a TCP connection.
func loopbackSpeed() (float64, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	sent := make(chan error, 1)
	go func() {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err == nil {
			piece := make([]byte, pieceBytes)
			for range speedBytes / pieceBytes {
				if _, err = conn.Write(piece); err != nil {
					break
				}
			}
			err = errors.Join(err, conn.Close())
		}
		sent <- err
	}()
	conn, err := listener.Accept()
	if err != nil {
		return 0, errors.Join(err, listener.Close())
	}
	began := time.Now()
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{conn}, make([]byte, pieceBytes))
	took := time.Since(began)
	return mebis(took), errors.Join(err, <-sent, conn.Close(), listener.Close())
}

func mebis(took time.Duration) float64 { return speedBytes / float64(1<<20) / took.Seconds() }
