package nats

import (
	"context"
	"errors"
	"testing"

	natsgo "github.com/nats-io/nats.go"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

// careful is a host that fails the test when a verb lets anything through that it should have refused.
func careful(t *testing.T) *fakeHost {
	named := func(what, name string) {
		if err := api.CheckName(name); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	return &fakeHost{
		upload: func(p host.UploadPiece) (api.UploadReply, error) {
			if p.Offset < 0 || p.Offset > p.Size || int64(len(p.Data)) > p.Size-p.Offset {
				t.Errorf("a piece of %d bytes at %d of %d", len(p.Data), p.Offset, p.Size)
			}
			return api.UploadReply{}, nil
		},
		deploy: func(_ context.Context, r api.DeployRequest) (api.GroupInfo, error) {
			named(api.VerbDeploy, r.Group)
			return api.GroupInfo{}, nil
		},
		change: func(verb string, r api.TransferRequest) error {
			named(verb, r.Group)
			if verb == api.VerbTransfer {
				named(verb, r.Host)
			}
			return nil
		},
		describe: func(name string) ([]api.GroupInfo, error) {
			if name != "" {
				named(api.VerbInfo, name)
			}
			return []api.GroupInfo{{Group: name}}, nil
		},
		members: func(r api.MembersRequest) (api.MembersReply, error) {
			named(api.VerbMembers, r.Group)
			return api.MembersReply{}, nil
		},
		hosts: func(api.HostsRequest) (api.HostsReply, error) { return api.HostsReply{}, nil },
	}
}

// FuzzControl shows that no administrative request makes a host panic, that a refusal is one of the request
// (400), and that only well-formed names and pieces reach the host.
func FuzzControl(f *testing.F) {
	f.Add([]byte(`{"group":"g","module":"ab","replicas":3,"limits":{},"init":"AA=="}`), "ab", "0", "3")
	f.Add([]byte(`{"group":"g","host":"b"}`), "00", "2", "1")
	f.Add([]byte(`{"group":"catalog","action":"replace","host":"a","with":"b"}`), "", "", "")
	f.Add([]byte(`{}`), "", "-1", "x")
	f.Fuzz(func(t *testing.T, body []byte, digest, offset, size string) {
		s := &server{admin: careful(t), members: careful(t)}
		request := controlRequest{data: body, headers: natsgo.Header{
			api.HeaderDigest: {digest}, api.HeaderOffset: {offset}, api.HeaderSize: {size}}}
		for name, run := range map[string]verb{
			api.VerbUpload: s.upload, api.VerbDeploy: s.deploy, api.VerbList: s.list, api.VerbInfo: s.info,
			api.VerbTransfer: s.change(api.VerbTransfer), api.VerbRemove: s.change(api.VerbRemove),
			api.VerbMembers: s.changeMembers, api.VerbHosts: s.changeHosts,
		} {
			_, err := run(context.Background(), request)
			var e *host.Error
			if err != nil && (!errors.As(err, &e) || e.Code != api.CodeBadRequest || e.Text == "") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
