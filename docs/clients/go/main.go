// Creates a job, follows it and asks its result for a label: go run . [GATEWAY ANALYZER]
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	hifi "example.org/hifi-client/gen/hifi/v1"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func rows(texts ...string) *hifi.TextDataset {
	inline := &hifi.InlineTexts{Texts: texts}
	for i := range texts {
		inline.Labels = append(inline.Labels, []string{"kitchen", "sport"}[i%2])
	}
	return &hifi.TextDataset{Source: &hifi.TextDataset_Inline{Inline: inline}}
}

func main() {
	gatewayAt, analyzerAt, ctx := "127.0.0.1:7070", "127.0.0.1:7071", context.Background()
	if len(os.Args) > 2 {
		gatewayAt, analyzerAt = os.Args[1], os.Args[2]
	}
	connection, err := grpc.NewClient(gatewayAt, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	gateway := hifi.NewGatewayServiceClient(connection)
	train := rows("Fry the onions.", "The striker scored.", "Whisk the eggs.", "She won the race.")
	dev := rows("Salt the water.", "They lost the final.")
	epochs, model, name := uint32(2), "all-MiniLM-L6-v2", "kitchen-or-sport"
	spec := &hifi.JobSpec{
		Model: model, Train: train, Dev: dev, Training: &hifi.TrainingOptions{Epochs: &epochs}, RegisterAs: &name,
	}
	created, err := gateway.CreateJob(ctx, &hifi.CreateJobRequest{Spec: spec})
	check(err)
	events, err := gateway.WatchJob(ctx, &hifi.WatchJobRequest{JobId: created.Job.JobId})
	check(err)
	for {
		answer, err := events.Recv()
		if err == io.EOF {
			break
		}
		check(err)
		fmt.Println(answer.Event.Sequence, answer.Event.GetEvent())
	}
	got, err := gateway.GetJob(ctx, &hifi.GetJobRequest{JobId: created.Job.JobId})
	check(err)
	best := got.Job.GetMetrics().GetBest()
	fmt.Printf("best %s: %.4f in epoch %d\n", got.Job.GetMetrics().GetMetric(), best.GetValue(), best.GetEpoch())

	connection, err = grpc.NewClient(analyzerAt, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	texts := []string{"Whisk the butter.", "They scored."}
	delta := &hifi.DeltaReference{Delta: &hifi.DeltaReference_Name{Name: name}}
	request := &hifi.ClassifyRequest{Model: model, Deltas: []*hifi.DeltaReference{delta}, Texts: texts}
	answer, err := hifi.NewInferenceServiceClient(connection).Classify(ctx, request)
	check(err)
	for i, row := range answer.Results[0].Rows {
		fmt.Printf("%s %s %.2f\n", texts[i], row.Labels[0].Label, row.Labels[0].GetScore())
	}
}
