using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging.Console;

namespace Gateway.Hosting;

/// <summary>How both web applications listen.</summary>
internal static class Listening
{
    private const long SmallestHardLimit = 16 << 20;
    private static readonly TimeSpan DrainTimeout = TimeSpan.FromSeconds(30);

    /// <summary>
    /// A builder that reads settings files once: watching them would mean watching every file below the current folder.
    /// </summary>
    public static WebApplicationBuilder CreateBuilder()
    {
        var builder = WebApplication.CreateSlimBuilder(["--hostBuilder:reloadConfigOnChange=false"]);
        UseLogFormat(builder.Logging, builder.Configuration);
        return builder;
    }

    /// <summary>Writes logs as JSON, one object per line, when the standard setting Logging:Console:FormatterName says so; the builder's own console does not read it.</summary>
    public static void UseLogFormat(ILoggingBuilder logging, IConfiguration configuration)
    {
        if (configuration["Logging:Console:FormatterName"] == ConsoleFormatterNames.Json)
        {
            logging.AddJsonConsole();
        }
    }

    /// <summary>Sets up Kestrel on <paramref name="url"/>, or on a free loopback port, with the limits of a request. Stopping waits for replies under way.</summary>
    /// <exception cref="StartRefusedException">The address is not usable.</exception>
    public static void Configure(WebApplicationBuilder builder, string? url, RequestLimits limits, TimeSpan? drainLimit = null)
    {
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;

            // The readers of bodies enforce the limit and answer; the server, which could only cut the connection, comes in later.
            kestrel.Limits.MaxRequestBodySize = Math.Max(4 * limits.MaximumBodyBytes, SmallestHardLimit);
            kestrel.Limits.MaxRequestHeadersTotalSize = limits.MaximumHeaderBytes;
            kestrel.Limits.MaxRequestHeaderCount = limits.MaximumHeaders;
            kestrel.Limits.RequestHeadersTimeout = limits.Headers;
            if (url is null)
            {
                kestrel.Listen(IPAddress.Loopback, 0);
            }
        });
        if (url is not null)
        {
            if (!Uri.TryCreate(url, UriKind.Absolute, out var address) || address.Scheme != Uri.UriSchemeHttp)
            {
                throw Unusable(url);
            }

            builder.WebHost.UseUrls(url);
        }

        builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = drainLimit ?? DrainTimeout);
    }

    /// <summary>
    /// True when <paramref name="url"/> is reachable from this machine only. Host names other than localhost listen on every
    /// address, whatever they resolve to.
    /// </summary>
    /// <exception cref="StartRefusedException">The address is not usable.</exception>
    public static bool IsLocal(string url)
    {
        try
        {
            // The server's own reading of the address: that of Uri takes more names for this machine.
            var host = BindingAddress.Parse(url).Host;
            return string.Equals(host, "localhost", StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(host, out var ip) && IPAddress.IsLoopback(ip));
        }
        catch (FormatException)
        {
            throw Unusable(url);
        }
    }

    /// <summary>Starts the application and its background services.</summary>
    /// <exception cref="StartRefusedException">The port is taken or may not be used.</exception>
    public static async Task StartAsync(WebApplication app, string? url, CancellationToken cancellationToken)
    {
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch (IOException failure) when (failure.InnerException is AddressInUseException)
        {
            throw new StartRefusedException($"{url} is in use by another process: stop it or pass --urls with another port", failure);
        }
        catch (Exception failure) when (failure is IOException or System.Net.Sockets.SocketException)
        {
            throw new StartRefusedException($"{url} cannot be listened on ({failure.Message}): pass --urls with an address of this machine", failure);
        }
    }

    private static StartRefusedException Unusable(string url) => new($"'{url}' is not an address to listen on: pass --urls http://HOST:PORT");
}
