using Gateway.Engine;
using Gateway.Engine.Adapters;
using Gateway.Model.Lora;
using Gateway.Model.Weights;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Engine;

/// <summary>More adapters than memory: who leaves, who stays, who waits, and that every byte comes back.</summary>
public sealed class AdapterResidencyTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);

    private readonly string[] _folders = [.. Enumerable.Range(0, 6).Select(seed => fixture.Model.WriteAdapter(seed))];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Acquire_GenerationThatLeftMemory_IsReadAgainAndTheLongestUnusedLeaves()
    {
        using var slots = Slots(generations: 2);
        foreach (var name in (string[])["0", "1", "2"])
        {
            Assert.Equal(AdapterLoadOutcome.Loaded, slots.Load(name, Folder(name), replace: false).Outcome);
        }

        Assert.Equal(["1", "2"], Resident(slots));
        (await slots.AcquireAsync("1", Cancellation)).Lease!.Dispose();
        using var lease = (await slots.AcquireAsync("0", Cancellation)).Lease!;

        Assert.Equal(["0", "1"], Resident(slots));
        Assert.Equal(slots.List().Names.Single(name => name.Name == "0").Generation, lease.Generation);
        Assert.Equal(Checksum(lease), Checksum(Folder("0")));
    }

    [Fact]
    public async Task Acquire_EverythingLeasedOrPinned_WaitsForALeaseAndTakesNothingAway()
    {
        using var slots = Slots(generations: 2);
        slots.Load("0", Folder("0"), replace: false, pinned: true);
        slots.Load("1", Folder("1"), replace: false);
        var held = (await slots.AcquireAsync("1", Cancellation)).Lease!;
        slots.Load("2", Folder("2"), replace: false);

        var waiting = slots.AcquireAsync("2", Cancellation).AsTask();
        await Task.Delay(50, Cancellation);
        Assert.False(waiting.IsCompleted);
        Assert.Equal(["0", "1"], Resident(slots));
        Assert.Equal(1, slots.List().Waiting);
        held.Dispose();

        using var lease = (await waiting.WaitAsync(TimeSpan.FromSeconds(10), Cancellation)).Lease;
        Assert.NotNull(lease);
        Assert.Equal(["0", "2"], Resident(slots));
    }

    [Fact]
    public async Task Acquire_WaitingEnded_LeavesNoLeaseBehind()
    {
        using var slots = Slots(generations: 1);
        slots.Load("0", Folder("0"), replace: false);
        var held = (await slots.AcquireAsync("0", Cancellation)).Lease!;
        slots.Load("1", Folder("1"), replace: false);
        using var impatient = new CancellationTokenSource();
        var waiting = slots.AcquireAsync("1", impatient.Token).AsTask();
        await impatient.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        held.Dispose();
        (await slots.AcquireAsync("0", Cancellation)).Lease!.Dispose();
        Assert.All(slots.List().Generations, generation => Assert.Equal(0, generation.ActiveLeases));
    }

    [Fact]
    public async Task Acquire_FolderGoneOrChanged_SaysWhatToDo()
    {
        using var slots = Slots(generations: 1);
        using var parent = TestData.CreateFolder();
        var folder = Directory.CreateDirectory(Path.Combine(parent.Path, "adapter")).FullName;
        Copy(Folder("0"), folder);
        slots.Load("gone", folder, replace: false);
        slots.Load("other", Folder("1"), replace: false);

        Copy(Folder("2"), folder);
        var changed = await slots.AcquireAsync("gone", Cancellation);
        Directory.Delete(folder, recursive: true);
        var gone = await slots.AcquireAsync("gone", Cancellation);

        Assert.Equal((AdapterAcquireOutcome.Lost, AdapterAcquireOutcome.Lost), (changed.Outcome, gone.Outcome));
        Assert.Contains("load it again", changed.Reason, StringComparison.Ordinal);
        Assert.Contains("load it again", gone.Reason, StringComparison.Ordinal);
        Assert.Equal(AdapterAcquireOutcome.UnknownName, (await slots.AcquireAsync("nobody", Cancellation)).Outcome);
        using var lease = (await slots.AcquireAsync("other", Cancellation)).Lease;
        Assert.NotNull(lease);
    }

    [Fact]
    public async Task Release_LastLeaseOfARetiredGeneration_GivesItsBytesBackWithinASecond()
    {
        using var slots = Slots(generations: 2);
        slots.Load("0", Folder("0"), replace: false);
        var lease = (await slots.AcquireAsync("0", Cancellation)).Lease!;
        slots.Unload("0");
        Assert.Equal(Assert.Single(slots.List().Generations).Bytes, slots.List().HeldBytes);

        lease.Dispose();

        Assert.True(SpinWait.SpinUntil(() => slots.List().HeldBytes == 0, s_second));
        Assert.Throws<ObjectDisposedException>(() => lease.Weights);
    }

    [Fact]
    public async Task Acquire_BusyGenerationsWithoutPause_DoNotStarveOneThatWaits()
    {
        using var slots = Slots(generations: 1);
        slots.Load("0", Folder("0"), replace: false);
        slots.Load("1", Folder("1"), replace: false);
        using var stop = new CancellationTokenSource();

        // Two callers whose leases overlap: without the queue there is never a moment at which "0" is free.
        var first = (await slots.AcquireAsync("0", Cancellation)).Lease!;
        var busy = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                var next = slots.AcquireAsync("0", Cancellation).AsTask();
                await Task.WhenAny(next, Task.Delay(20, Cancellation));
                first.Dispose();
                first = (await next).Lease!;
            }
        }, Cancellation);

        using var lease = (await slots.AcquireAsync("1", Cancellation).AsTask().WaitAsync(TimeSpan.FromSeconds(10), Cancellation)).Lease;
        Assert.NotNull(lease);
        await stop.CancelAsync();
        lease.Dispose();
        await busy;
        first.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task RandomLoadsAcquiresAndReleases_StayWithinTheBudgetAndEndAtZero(int seed)
    {
        const int Names = 6;
        var budget = 2.5 * BytesOf(Folder("0"));
        using var slots = new AdapterSlots(fixture.Model.Config, null, new AdapterLimits(), 16, TimeProvider.System, maximumBytes: (long)budget);
        for (var name = 0; name < Names; name++)
        {
            Assert.Equal(AdapterLoadOutcome.Loaded, slots.Load($"{name}", Folder($"{name}"), replace: false).Outcome);
        }

        var expected = Enumerable.Range(0, Names).ToDictionary(name => slots.List().Names.Single(found => found.Name == $"{name}").Generation, name => Checksum(Folder($"{name}")));
        var served = 0;
        var callers = Enumerable.Range(0, 4).Select(caller => Task.Run(async () =>
        {
            var random = new Random((seed * 100) + caller);
            for (var i = 0; i < 60; i++)
            {
                var name = $"{random.Next(Names)}";
                switch (random.Next(10))
                {
                    case 0:
                        slots.Load(name, Folder($"{random.Next(Names)}"), replace: true, pinned: random.Next(6) == 0);
                        break;
                    case 1:
                        slots.Unload(name);
                        break;
                    case 2:
                        slots.Load(name, Folder(name), replace: false);
                        break;
                    default:
                        using (var deadline = new CancellationTokenSource(random.Next(4) == 0 ? 1 : 10_000))
                        {
                            try
                            {
                                using var lease = (await slots.AcquireAsync(name, deadline.Token)).Lease;
                                if (lease is not null)
                                {
                                    await Task.Yield();
                                    Assert.Equal(expected[lease.Generation], Checksum(lease));
                                    Interlocked.Increment(ref served);
                                }
                            }
                            catch (OperationCanceledException)
                            {
                                // Gave up waiting: what it would have got must not stay leased.
                            }
                        }

                        break;
                }

                var resident = slots.List().Generations;
                Assert.True(resident.Sum(generation => generation.Bytes) <= budget);
            }
        }, Cancellation));
        await Task.WhenAll(callers);

        Assert.True(served > 20);
        var names = slots.List().Names;
        foreach (var name in names)
        {
            slots.Unload(name.Name);
        }

        Assert.True(SpinWait.SpinUntil(() => slots.List() is { HeldBytes: 0, Waiting: 0, Generations.Count: 0 }, s_second));
    }

    [Fact]
    public async Task Engine_WithFewerSlotsThanAdapters_AnswersEveryRequestAsAlone()
    {
        using var slots = Slots(generations: 2);
        using var engine = new InferenceEngine(fixture.Transformer, slots, new EngineOptions());
        var expected = new Dictionary<string, int[]>(StringComparer.Ordinal);
        foreach (var name in (string[])["0", "1", "2", "3"])
        {
            slots.Load(name, Folder(name), replace: false);
            expected[name] = await ReplyAsync(engine, slots, name);
        }

        var replies = await Task.WhenAll(Enumerable.Range(0, 24).Select(async i => ($"{i % 4}", await ReplyAsync(engine, slots, $"{i % 4}"))));

        Assert.All(replies, reply => Assert.Equal(expected[reply.Item1], reply.Item2));
        EngineFuzz.AssertIdle(engine);
    }

    private static async Task<int[]> ReplyAsync(InferenceEngine engine, AdapterSlots slots, string name)
    {
        var request = EngineFixture.Request(7, 10, 16, name);
        var lease = (await slots.AcquireAsync(name, Cancellation)).Lease;
        Assert.Equal(SubmitOutcome.Accepted, engine.Submit(
            new GenerationRequest { Prompt = request.Prompt, MaximumTokens = request.MaximumTokens, Sampling = request.Sampling, Adapter = lease }, out var stream));
        return await stream!.ReadAllAsync(Cancellation).Where(item => item.Finish is null).Select(item => item.Token).ToArrayAsync(Cancellation);
    }

    private static IEnumerable<string> Resident(AdapterSlots slots) => slots.List().Names.Where(name => name.Resident).Select(name => name.Name);

    private static void Copy(string source, string target)
    {
        foreach (var file in Directory.GetFiles(source))
        {
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)), overwrite: true);
        }
    }

    private AdapterSlots Slots(int generations) => new(fixture.Model.Config, null, new AdapterLimits(), generations, TimeProvider.System);

    private string Folder(string name) => _folders[int.Parse(name, System.Globalization.CultureInfo.InvariantCulture)];

    private long BytesOf(string folder)
    {
        using var weights = PeftFile.Load(folder, fixture.Model.Config, new AdapterLimits());
        return weights.Bytes;
    }

    private ulong Checksum(string folder)
    {
        using var weights = PeftFile.Load(folder, fixture.Model.Config, new AdapterLimits());
        return Checksum(weights);
    }

    private ulong Checksum(AdapterLease lease) => Checksum(lease.Weights);

    /// <summary>Over every byte of the packed factors: memory that was freed or reused meanwhile gives another one.</summary>
    private unsafe ulong Checksum(LoraWeights weights)
    {
        var sum = 14695981039346656037UL;
        for (var layer = 0; layer < fixture.Model.Config.LayerCount; layer++)
        {
            for (var group = 0; group < LinearGroups.Count; group++)
            {
                if (weights.Find(layer, (LinearGroup)group) is { } stack)
                {
                    foreach (var matrix in stack.Modules.Select(module => module.Up).Append(stack.Down))
                    {
                        foreach (var value in new ReadOnlySpan<byte>(matrix.Memory, (int)matrix.Bytes))
                        {
                            sum = (sum ^ value) * 1099511628211UL;
                        }
                    }
                }
            }
        }

        return sum;
    }
}
