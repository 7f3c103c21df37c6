package nats

import (
	"fmt"

	"github.com/groutlabs/grout/host"
	"github.com/groutlabs/grout/sdk/api"
)

// batchHeaderBytes is kept free below max_payload for the headers of a batch's reply.
const batchHeaderBytes = 512

// batchBody encodes the answers to a batch, as api.ParseResults reads them. Where all of them do not fit
// into limit bytes, those that are too large say so in place of their output.
func batchBody(answers []host.Reply, limit int) []byte {
	results := make([]api.BatchResult, len(answers))
	short := make([]api.BatchResult, len(answers))
	// rest is what the remaining results take at least.
	size, rest := 0, 0
	for i := range answers {
		results[i] = batchResult(&answers[i])
		short[i] = results[i]
		if answers[i].Err == nil {
			text := fmt.Sprintf("the result of %d bytes does not fit into the reply", len(results[i].Body))
			short[i].Status, short[i].Code, short[i].MachineCode, short[i].Body = api.BatchFailed, api.CodeTooLarge, 0, []byte(text)
		}
		if short[i].Size() > results[i].Size() {
			short[i] = results[i]
		}
		size += results[i].Size()
		rest += short[i].Size()
	}
	body := make([]byte, 0, min(size, max(rest, limit)))
	for i := range results {
		rest -= short[i].Size()
		chosen := &results[i]
		if len(body)+chosen.Size()+rest > limit {
			chosen = &short[i]
		}
		body = api.AppendResult(body, *chosen)
	}
	return body
}

// batchResult is one answer as it is sent.
func batchResult(r *host.Reply) api.BatchResult {
	out := api.BatchResult{Index: uint64(r.Index), Term: uint64(r.Term), Duplicate: r.Duplicate, Fuel: r.Outcome.Fuel}
	switch {
	case r.Err != nil:
		out.Status, out.Code, out.Body = api.BatchFailed, r.Err.Code, []byte(r.Err.Text)
	case r.Outcome.Kind == host.Refused:
		out.Status, out.MachineCode, out.Body = api.BatchRefused, r.Outcome.Code, []byte(r.Outcome.Message)
	case r.Outcome.Kind == host.Trapped:
		out.Status, out.Body = api.BatchTrapped, []byte(r.Outcome.Message)
	default:
		out.Body = r.Outcome.Output
	}
	return out
}
