using Gateway.Model.Text;
using Gateway.Model.Weights;
using Gateway.Worker;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Gateway.Hosting;

/// <summary>
/// The engine behind its own listener, in this process: on a loopback port for the front door, or on an address for others
/// (<c>gateway worker</c>). Owns the runtime.
/// </summary>
public sealed partial class BuiltInWorker : IAsyncDisposable
{
    private BuiltInWorker(WebApplication app, WorkerRuntime runtime, Uri address) => (App, Runtime, Address) = (app, runtime, address);

    /// <summary>The web application, to wait for its shutdown.</summary>
    public WebApplication App { get; }

    /// <summary>The model and its engine.</summary>
    public WorkerRuntime Runtime { get; }

    /// <summary>Where it listens.</summary>
    public Uri Address { get; }

    /// <summary>Loads the model and starts to listen.</summary>
    /// <param name="options">The model and its limits.</param>
    /// <param name="url">Where to listen; null is a free loopback port, which nobody else is told.</param>
    /// <param name="clock">The clock of every timestamp.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <exception cref="StartRefusedException">The model cannot be served or the port is taken.</exception>
    public static async Task<BuiltInWorker> StartAsync(WorkerOptions options, string? url, TimeProvider clock, CancellationToken cancellationToken)
    {
        // A worker reads adapter folders and serves whoever asks: an open one must know its callers.
        if (options.Token is null && url is not null && !Listening.IsLocal(url))
        {
            throw new StartRefusedException($"{url} is reachable from other machines: pass --token, or listen on 127.0.0.1");
        }

        var runtime = LoadRuntime(options, clock);
        try
        {
            var builder = Listening.CreateBuilder();
            Listening.Configure(builder, url, new RequestLimits { MaximumBodyBytes = options.MaximumBodyBytes });
            builder.Logging.SetMinimumLevel(LogLevel.Warning);
            var app = builder.Build();
            if (runtime.CacheWarning is { } warning)
            {
                LogCacheWarning(app.Logger, warning);
            }

            WorkerEndpoints.Map(app, runtime);
            await Listening.StartAsync(app, url, cancellationToken);
            var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
            return new(app, runtime, new Uri(address));
        }
        catch
        {
            runtime.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await App.DisposeAsync();
        Runtime.Dispose();
    }

    private static WorkerRuntime LoadRuntime(WorkerOptions options, TimeProvider clock)
    {
        try
        {
            return WorkerRuntime.Load(options, clock);
        }
        catch (Exception failure) when (failure is ModelFormatException or TokenizerException or TemplateException or IOException or UnauthorizedAccessException)
        {
            throw new StartRefusedException($"the model in {options.ModelDirectory} cannot be served: {failure.Message}", failure);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Warning}")]
    private static partial void LogCacheWarning(ILogger logger, string warning);
}
