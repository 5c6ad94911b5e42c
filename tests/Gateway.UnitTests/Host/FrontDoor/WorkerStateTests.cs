using System.Globalization;
using System.Runtime.CompilerServices;
using Gateway.FrontDoor;
using Xunit;

namespace Gateway.UnitTests.Host.FrontDoor;

public sealed class WorkerStateTests
{
    [Fact]
    public void InFlightOf_CountsEachModelUntilItsRequestsHaveEnded()
    {
        var worker = new WorkerState("one", new Uri("http://127.0.0.1:1"));
        var (first, second) = (worker.Begin("a"), worker.Begin("a"));
        using (worker.Begin("b"))
        {
            Assert.Equal((2, 1, 3), (worker.InFlightOf("a"), worker.InFlightOf("b"), worker.InFlight));
        }

        first.Dispose();
        Assert.Equal((1, 0, 1), (worker.InFlightOf("a"), worker.InFlightOf("b"), worker.InFlight));
        second.Dispose();
        Assert.Equal((0, 0), (worker.InFlightOf("a"), worker.InFlight));
    }

    /// <summary>Every generation has a name of its own, and a gateway lives for many of them.</summary>
    [Fact]
    public void Begin_NameThatNobodyUsesAnyMore_IsNotKept()
    {
        var worker = new WorkerState("one", new Uri("http://127.0.0.1:1"));
        var names = Enumerable.Range(0, 100).Select(number => UseOnce(worker, number)).ToList();
        GC.Collect();
        Assert.InRange(names.Count(name => name.IsAlive), 0, 1);
        GC.KeepAlive(worker);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference UseOnce(WorkerState worker, int number)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"support--{number:x12}");
        worker.Begin(name).Dispose();
        return new WeakReference(name);
    }
}
