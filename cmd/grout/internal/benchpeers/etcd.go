package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

// etcdSystem is three embedded members as they are by default. Clients are connected to the leader.
type etcdSystem struct {
	members []*embed.Etcd
	clients []*clientv3.Client
}

func startEtcd(ctx context.Context, dir string) (system, error) {
	s := &etcdSystem{}
	if err := s.start(ctx, dir); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *etcdSystem) start(ctx context.Context, dir string) error {
	ports, err := freePorts(6)
	if err != nil {
		return err
	}
	local := func(port int) url.URL { return url.URL{Scheme: "http", Host: fmt.Sprintf("127.0.0.1:%d", port)} }
	cluster := ""
	for i := range 3 {
		peer := local(ports[i])
		cluster += fmt.Sprintf("n%d=%s,", i, peer.String())
	}
	for i := range 3 {
		config := embed.NewConfig()
		config.Name, config.Dir, config.LogLevel = fmt.Sprintf("n%d", i), filepath.Join(dir, fmt.Sprint(i)), "panic"
		config.ListenPeerUrls, config.ListenClientUrls = []url.URL{local(ports[i])}, []url.URL{local(ports[3+i])}
		config.AdvertisePeerUrls, config.AdvertiseClientUrls = config.ListenPeerUrls, config.ListenClientUrls
		config.InitialCluster = cluster[:len(cluster)-1]
		member, err := embed.StartEtcd(config)
		if err != nil {
			return err
		}
		s.members = append(s.members, member)
	}
	endpoint := ""
	for i, member := range s.members {
		select {
		case <-member.Server.ReadyNotify():
		case <-ctx.Done():
			return ctx.Err()
		}
		if member.Server.Leader() == member.Server.MemberID() {
			at := local(ports[3+i])
			endpoint = at.String()
		}
	}
	if endpoint == "" {
		return errors.New("no member leads")
	}
	for range connections {
		client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: callTimeout})
		if err != nil {
			return err
		}
		s.clients = append(s.clients, client)
	}
	return nil
}

func (s *etcdSystem) write(worker int, key, value string) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	_, err := s.clients[worker%connections].Put(ctx, key, value)
	return err
}

func (s *etcdSystem) read(worker int, key string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	r, err := s.clients[worker%connections].Get(ctx, key)
	if err != nil || len(r.Kvs) != 1 {
		return "", errors.Join(err, fmt.Errorf("%s is not there", key))
	}
	return string(r.Kvs[0].Value), nil
}

func (s *etcdSystem) close() error {
	var errs []error
	for _, c := range s.clients {
		errs = append(errs, c.Close())
	}
	for _, m := range s.members {
		m.Close()
	}
	return errors.Join(errs...)
}
