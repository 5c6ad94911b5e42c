using System.Diagnostics;
using System.Globalization;
using Gateway.Domain.Storage;
using Xunit;

namespace Gateway.TestKit.Storage;

/// <summary>
/// One round of a kill test: Gateway.StoreWriter writes to a folder, is killed (SIGKILL) after some random number of
/// acknowledgements, and everything it acknowledged must be in the reopened store. Repeat it on one folder for a long run.
/// </summary>
public static class KillRound
{
    private const int KeptPairs = 50;

    /// <summary>Runs the round and returns how many acknowledgements were checked.</summary>
    /// <param name="folder">The data folder, as earlier rounds left it.</param>
    /// <param name="random">Draws the moment of the kill.</param>
    /// <param name="open">Opens the store on the folder.</param>
    /// <param name="cancellationToken">Ends the round.</param>
    public static async Task<int> RunAsync(string folder, Random random, Func<OpenStore> open, CancellationToken cancellationToken)
    {
        var lines = await WriteAndKillAsync(folder, random.Next(1, 1500), random.Next(0, 30), cancellationToken);
        Assert.DoesNotContain(lines, line => line.StartsWith("conflict", StringComparison.Ordinal));
        await using var store = open();
        foreach (var line in lines)
        {
            var words = line.Split(' ');
            if (words[0] == "flushed")
            {
                Assert.True(await store.Interactions.GetAsync(words[1], cancellationToken) is not null, $"interaction {words[1]} was acknowledged and is gone");
            }
        }

        var acknowledged = lines.Select(line => line.Split(' ')).Where(words => words[0] == "commit").ToLookup(words => words[1], words => int.Parse(words[2]));
        foreach (var writer in acknowledged)
        {
            await CheckWriterAsync(store.Documents, writer.Key, writer.Max(), cancellationToken);
        }

        return lines.Count;
    }

    /// <summary>The counter is not behind its last acknowledgement, and exactly the pairs of its last commits are there.</summary>
    private static async Task CheckWriterAsync(IDocumentStore documents, string writer, int acknowledged, CancellationToken cancellationToken)
    {
        var counter = await documents.GetAsync("counters", writer, cancellationToken);
        var value = int.Parse(counter!.Json.Span, CultureInfo.InvariantCulture);
        Assert.True(value >= acknowledged, $"commit {acknowledged} of writer {writer} was acknowledged; the store has {value}");
        Assert.Equal(value, counter.Version);
        var first = Math.Max(1, value - KeptPairs + 1);
        var expected = Enumerable.Range(first, value - first + 1).Select(n => ($"{writer}/{n:D8}", n % 997)).ToList();
        foreach (var collection in (string[])["left", "right"])
        {
            var found = await documents.ListAsync(collection, $"{writer}/", cancellationToken)
                .Select(document => (document.Key, document.Json.Length)).ToListAsync(cancellationToken);
            Assert.Equal(expected, found);
        }
    }

    private static async Task<List<string>> WriteAndKillAsync(string folder, int acknowledgements, int milliseconds, CancellationToken cancellationToken)
    {
        using var process = Process.Start(new ProcessStartInfo("dotnet")
        {
            ArgumentList = { Path.Combine(AppContext.BaseDirectory, "Gateway.StoreWriter.dll"), folder },
            RedirectStandardOutput = true,
        })!;
        var lines = new List<string>();
        try
        {
            while (lines.Count < acknowledgements && await process.StandardOutput.ReadLineAsync(cancellationToken) is { } line)
            {
                lines.Add(line);
            }

            Assert.True(lines.Count == acknowledgements, "the writer ended by itself; see its error output");

            // The pipe delivers lines in bursts; the delay moves the kill off their edges.
            await Task.Delay(milliseconds, cancellationToken);
        }
        finally
        {
            process.Kill();
        }

        var rest = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);

        // What follows the last line break was cut by the kill.
        lines.AddRange(rest.Split('\n').SkipLast(1));
        return lines;
    }
}
