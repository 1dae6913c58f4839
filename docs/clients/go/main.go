// Creates a job of a few rows, follows it and prints its best metric: go run . [HOST:PORT]
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
	address, ctx := "127.0.0.1:7070", context.Background()
	if len(os.Args) > 1 {
		address = os.Args[1]
	}
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	check(err)
	gateway := hifi.NewGatewayServiceClient(connection)
	train := rows("Fry the onions.", "The striker scored.", "Whisk the eggs.", "She won the race.")
	dev := rows("Salt the water.", "They lost the final.")
	epochs := uint32(2)
	spec := &hifi.JobSpec{
		Model: "all-MiniLM-L6-v2", Train: train, Dev: dev, Training: &hifi.TrainingOptions{Epochs: &epochs},
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
}
