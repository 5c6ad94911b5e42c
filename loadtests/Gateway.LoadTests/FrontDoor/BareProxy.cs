using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;

namespace Gateway.LoadTests.FrontDoor;

/// <summary>
/// YARP alone in front of a worker: passes on what comes and records nothing. What it adds is the least that a front door
/// built on it adds on this machine at this hour. Runs in a process of its own until it is killed.
/// </summary>
internal static class BareProxy
{
    /// <summary>Listens on a loopback port and never returns.</summary>
    public static void Run(int port, int workerPort)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrel().UseUrls($"http://127.0.0.1:{port}");
        builder.Services.AddRouting().AddHttpForwarder();
        var application = builder.Build();
        application.MapForwarder("/{**path}", $"http://127.0.0.1:{workerPort}");
        application.Run();
    }
}
