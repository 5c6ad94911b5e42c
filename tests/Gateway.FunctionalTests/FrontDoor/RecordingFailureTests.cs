using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;
using Gateway.FrontDoor;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Gateway.FunctionalTests.FrontDoor;

public sealed class RecordingFailureTests
{
    [Fact]
    public async Task What_the_log_refuses_is_kept_and_written_when_it_accepts_again()
    {
        var log = new FailingLog { IsFailing = true };
        using var recorder = new InteractionRecorder(log, TimeProvider.System, NullLogger<InteractionRecorder>.Instance);
        await recorder.StartAsync(TestContext.Current.CancellationToken);
        await recorder.RecordAsync(Interaction("a"));
        await log.Refused.Task.WaitAsync(TestContext.Current.CancellationToken);
        while (recorder.Healthy)
        {
            await Task.Yield();
        }

        await Assert.ThrowsAsync<Gateway.Storage.StoreUnavailableException>(() => recorder.FlushAsync(TestContext.Current.CancellationToken));
        log.IsFailing = false;
        await recorder.RecordAsync(Interaction("b"));
        await recorder.StopAsync(TestContext.Current.CancellationToken);

        Assert.True(recorder.Healthy);
        Assert.Equal(["a", "b"], log.Appended);
    }

    private static Interaction Interaction(string id) => new()
    {
        Id = id,
        CreatedAt = DateTimeOffset.UnixEpoch,
        Deployment = "starter",
        Messages = [],
        End = EndReason.Stop,
        Timings = new(null, 1),
    };

    private sealed class FailingLog : IInteractionLog
    {
        public volatile bool IsFailing;

        public List<string> Appended { get; } = [];

        public TaskCompletionSource Refused { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ValueTask AppendAsync(Interaction interaction, CancellationToken cancellationToken)
        {
            if (IsFailing)
            {
                Refused.TrySetResult();
                throw new IOException("no space left");
            }

            Appended.Add(interaction.Id);
            return ValueTask.CompletedTask;
        }

        public ValueTask FlushAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public ValueTask<Interaction?> GetAsync(string id, CancellationToken cancellationToken) => throw new NotSupportedException();

        public IAsyncEnumerable<LoggedInteraction> ReadAsync(long after, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask<int> EraseAsync(IReadOnlyList<Interaction> interactions, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask<IReadOnlyList<LoggedInteraction>> ListAsync(InteractionQuery query, CancellationToken cancellationToken) => throw new NotSupportedException();
    }
}
