using FsCheck;
using FsCheck.Fluent;
using Gateway.Domain.Interactions;
using Gateway.Domain.Routing;
using Gateway.TestKit;
using Xunit;

namespace Gateway.UnitTests.Domain.Routing;

public class BoundedRendezvousTests
{
    [Fact]
    public void NoWorkerIsFilledBeyondTheBound() => Check.One(Config.QuickThrowOnFailure.WithMaxTest(2000), Prop.ForAll(Fleets(), fleet =>
    {
        var chosen = fleet.Workers[BoundedRendezvous.Choose(fleet.Workers, fleet.Adapter, fleet.Prefix)];
        return chosen.InFlight + 1 <= BoundedRendezvous.Capacity(fleet.Workers.Length, fleet.Workers.Sum(worker => worker.InFlight));
    }));

    [Fact]
    public void TheOrderOfWorkersDoesNotMatter() => Check.One(Config.QuickThrowOnFailure.WithMaxTest(1000), Prop.ForAll(Fleets(), fleet =>
    {
        var reversed = fleet.Workers.Reverse().ToArray();
        return fleet.Workers[BoundedRendezvous.Choose(fleet.Workers, fleet.Adapter, fleet.Prefix)].Identity
            == reversed[BoundedRendezvous.Choose(reversed, fleet.Adapter, fleet.Prefix)].Identity;
    }));

    [Fact]
    public void AWorkerThatGoesMovesOnlyWhatItHad() => Check.One(Config.QuickThrowOnFailure.WithMaxTest(1000), Prop.ForAll(Fleets(), fleet =>
    {
        var idle = fleet.Workers.Select(worker => worker with { InFlight = 0, AdapterInFlight = 0 }).ToArray();
        var before = idle[BoundedRendezvous.Choose(idle, fleet.Adapter, fleet.Prefix)];
        var gone = idle.FirstOrDefault(worker => worker != before);
        var rest = idle.Where(worker => worker != gone).ToArray();
        return rest.Length == idle.Length || rest[BoundedRendezvous.Choose(rest, fleet.Adapter, fleet.Prefix)] == before;
    }));

    [Fact]
    public void ConversationsSpreadEvenlyAndStayWhereTheyAre()
    {
        var workers = Workers(5);
        var counts = new int[5];
        for (var conversation = 0; conversation < 5000; conversation++)
        {
            var prefix = RoutingHash.Of($"conversation {conversation}");
            var choice = BoundedRendezvous.Choose(workers, 0, prefix);
            Assert.Equal(choice, BoundedRendezvous.Choose(workers, 0, prefix));
            counts[choice]++;
        }

        Assert.All(counts, count => Assert.InRange(count, 900, 1100));
    }

    [Fact]
    public void ARareAdapterStaysAtHomeAndABusyOneSpreads()
    {
        var workers = Workers(4);
        var home = Enumerable.Range(0, 50).Select(prefix => BoundedRendezvous.Choose(workers, 7, (ulong)prefix)).Distinct();
        Assert.Single(home);

        // All traffic is for one adapter: every worker takes its share.
        var placed = new int[4];
        for (var request = 0; request < 40; request++)
        {
            var loaded = workers.Select((worker, i) => worker with { InFlight = placed[i], AdapterInFlight = placed[i] }).ToArray();
            placed[BoundedRendezvous.Choose(loaded, 7, RoutingHash.Of($"{request}"))]++;
        }

        Assert.All(placed, count => Assert.InRange(count, 6, 13));
    }

    // Each worker holds four of sixteen adapters in memory, the longest unused leaves; requests come by popularity.
    [Fact]
    public void AdaptersAreLoadedFarLessOftenThanByTheLeastLoadedWorker()
    {
        var affine = Loads((workers, adapter, prefix, _) => BoundedRendezvous.Choose(workers, adapter, prefix));
        var leastLoaded = Loads((workers, _, _, random) =>
        {
            var least = workers.Min(worker => worker.InFlight);
            var among = Enumerable.Range(0, workers.Length).Where(i => workers[i].InFlight == least).ToList();
            return among[random.Next(among.Count)];
        });
        Assert.True(affine <= 0.7 * leastLoaded, $"{affine} loads against {leastLoaded}");
    }

    [Fact]
    public void LaterTurnsOfAConversationHashAsItsFirst()
    {
        ChatMessage[] first = [Message("system", "Be brief."), Message("user", "Hello")];
        Assert.Equal(RoutingHash.OfPrefix(first), RoutingHash.OfPrefix([.. first, Message("assistant", "Hi"), Message("user", "Why?")]));
        Assert.NotEqual(RoutingHash.OfPrefix(first), RoutingHash.OfPrefix([first[0], Message("user", "Bye")]));
        Assert.Equal(0xAF63DC4C8601EC8Cul, RoutingHash.Of("a"));
    }

    private static ChatMessage Message(string role, string content) => new() { Role = role, Content = content };

    private static int Loads(Func<WorkerCandidate[], ulong, ulong, Random, int> choose)
    {
        const int Fleet = 4, Slots = 4, Adapters = 16, Concurrent = 24;
        var random = new Random(5);
        var memory = Enumerable.Range(0, Fleet).Select(_ => new List<int>()).ToArray();
        var running = new Queue<(int Worker, int Adapter)>();
        var loads = 0;
        for (var request = 0; request < 20_000; request++)
        {
            if (running.Count == Concurrent)
            {
                running.Dequeue();
            }

            var adapter = (int)(Adapters * Math.Pow(random.NextDouble(), 2));
            var workers = Workers(Fleet).Select((worker, i) => worker with
            {
                InFlight = running.Count(item => item.Worker == i),
                AdapterInFlight = running.Count(item => item == (i, adapter)),
            }).ToArray();
            var chosen = choose(workers, RoutingHash.Of($"adapter {adapter}"), (ulong)random.NextInt64(), random);
            running.Enqueue((chosen, adapter));
            loads += memory[chosen].Remove(adapter) ? 0 : 1;
            memory[chosen].Add(adapter);
            if (memory[chosen].Count > Slots)
            {
                memory[chosen].RemoveAt(0);
            }
        }

        return loads;
    }

    private static WorkerCandidate[] Workers(int count) => [.. Enumerable.Range(0, count).Select(i => new WorkerCandidate(RoutingHash.Of($"10.0.0.{i}:8000"), 0, 0))];

    private static Arbitrary<Fleet> Fleets() => ArbMap.Default.ArbFor<int>().Generator.Select(seed =>
    {
        var random = new SplitMix64((ulong)(uint)seed);
        var count = 1 + (int)(random.NextUInt64() % 70);
        return new Fleet(
            [.. Enumerable.Range(0, count).Select(i =>
            {
                var inFlight = (int)(random.NextUInt64() % 20);
                return new WorkerCandidate(RoutingHash.Of($"worker {i} of {seed}"), inFlight, inFlight == 0 ? 0 : (int)(random.NextUInt64() % (ulong)inFlight));
            })],
            random.NextUInt64() % 3 == 0 ? 0 : random.NextUInt64(),
            random.NextUInt64());
    }).ToArbitrary();

    private sealed record Fleet(WorkerCandidate[] Workers, ulong Adapter, ulong Prefix);
}
