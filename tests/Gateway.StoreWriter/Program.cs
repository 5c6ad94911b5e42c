// The victim of the kill tests: writes to the embedded store in the folder given as first argument and prints a line for
// everything that was acknowledged, until it is killed. Gateway.TestKit.Storage.KillRound is its other half.
using System.Globalization;
using System.Text;
using Gateway.Domain.Interactions;
using Gateway.Domain.Storage;
using Gateway.Storage.Files;
using Microsoft.Extensions.Logging.Abstractions;

const int Writers = 4;
const int KeptPairs = 50;

// A small threshold, so that kills also hit the rewriting of the log.
var options = new FilesStoreOptions { CompactionThreshold = 100_000 };
await using var store = FilesStore.Open(args[0], options, TimeProvider.System, NullLogger.Instance);
await Task.WhenAll([.. Enumerable.Range(0, Writers).Select(CommitAsync), AppendAsync()]);

// One commit: the counter rises, a pair appears, the oldest pair goes. All of it or nothing.
async Task CommitAsync(int writer)
{
    var counter = await store.GetAsync("counters", $"{writer}", default);
    var first = counter is null ? 1 : int.Parse(counter.Json.Span, CultureInfo.InvariantCulture) + 1;
    for (var n = first; ; n++)
    {
        var padding = new string('x', n % 997);
        List<DocumentWrite> writes =
        [
            new("counters", $"{writer}", n - 1, Encoding.UTF8.GetBytes($"{n}")),
            new("left", $"{writer}/{n:D8}", 0, Encoding.UTF8.GetBytes(padding)),
            new("right", $"{writer}/{n:D8}", 0, Encoding.UTF8.GetBytes(padding)),
        ];
        if (n > KeptPairs)
        {
            writes.Add(new("left", $"{writer}/{n - KeptPairs:D8}", 1, null));
            writes.Add(new("right", $"{writer}/{n - KeptPairs:D8}", 1, null));
        }

        var result = await store.CommitAsync(writes, default);
        Print(result.Committed ? $"commit {writer} {n}" : $"conflict {result.Conflict}");
    }
}

async Task AppendAsync()
{
    for (var n = 0; ; n++)
    {
        var id = $"{Environment.ProcessId}-{n}";
        await store.AppendAsync(
            new Interaction
            {
                Id = id,
                CreatedAt = DateTimeOffset.UnixEpoch,
                Deployment = "demo",
                Messages = [new ChatMessage { Role = "user", Content = new string('y', n % 3001) }],
                End = EndReason.Stop,
                Timings = new Timings(null, 1),
            },
            default);
        if (n % 10 == 0)
        {
            await store.FlushAsync(default);
            Print($"flushed {id}");
        }
    }
}

static void Print(string line)
{
    lock (Console.Out)
    {
        Console.Out.WriteLine(line);
        Console.Out.Flush();
    }
}
