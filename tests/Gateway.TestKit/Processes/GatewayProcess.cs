using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Gateway.TestKit.Processes;

/// <summary>A gateway in a process of its own, for scenarios that kill it.</summary>
public sealed class GatewayProcess : IDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _output = new();

    private GatewayProcess(Process process, Uri address)
    {
        _process = process;
        Address = address;
        Http = new HttpClient { BaseAddress = address, Timeout = TimeSpan.FromSeconds(60) };
        process.OutputDataReceived += (_, line) => Append(line.Data);
        process.ErrorDataReceived += (_, line) => Append(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    /// <summary>Where clients connect.</summary>
    public Uri Address { get; }

    /// <summary>The operating system's number of the process.</summary>
    public int Id => _process.Id;

    /// <summary>A client of it.</summary>
    public HttpClient Http { get; }

    /// <summary>What it has written so far.</summary>
    public string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    /// <summary>A port nobody listens on at the moment.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    /// <summary>Starts <c>gateway serve</c> from the assembly beside the caller and waits until it is ready.</summary>
    public static Task<GatewayProcess> StartAsync(string data, CancellationToken cancellationToken, params string[] arguments) =>
        StartAsync("health/ready", FreePort(), ["serve", "--data", data, .. arguments], cancellationToken);

    /// <summary>Starts <c>gateway worker</c> in the same way, on a port that outlives it when it is restarted.</summary>
    public static Task<GatewayProcess> StartWorkerAsync(int port, CancellationToken cancellationToken, params string[] arguments) =>
        StartAsync("health", port, ["worker", .. arguments], cancellationToken);

    /// <summary>The gateway's assembly.</summary>
    public static string Assembly => Path.Combine(AppContext.BaseDirectory, "gateway.dll");

    /// <summary>kill -9, and waits until the process is gone.</summary>
    /// <param name="withChildren">True also kills its children, as the crash of a machine does; false leaves them, as the crash of one process does.</param>
    public async Task KillAsync(bool withChildren = false)
    {
        _process.Kill(entireProcessTree: withChildren);
        await _process.WaitForExitAsync();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
        }

        Http.Dispose();
        _process.Dispose();
    }

    private static async Task<GatewayProcess> StartAsync(string health, int port, string[] arguments, CancellationToken cancellationToken)
    {
        var address = new Uri($"http://127.0.0.1:{port}");
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var argument in (string[])[Assembly, .. arguments, "--urls", address.ToString().TrimEnd('/')])
        {
            start.ArgumentList.Add(argument);
        }

        var gateway = new GatewayProcess(Process.Start(start)!, address);
        while (!await gateway.IsReadyAsync(health, cancellationToken))
        {
            if (gateway._process.HasExited)
            {
                throw new InvalidOperationException($"The gateway ended with {gateway._process.ExitCode} instead of starting:\n{gateway.Output}");
            }

            await Task.Delay(20, cancellationToken);
        }

        return gateway;
    }

    private async Task<bool> IsReadyAsync(string health, CancellationToken cancellationToken)
    {
        try
        {
            using var response = await Http.GetAsync(health, cancellationToken);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private void Append(string? line)
    {
        if (line is not null)
        {
            lock (_output)
            {
                _output.AppendLine(line);
            }
        }
    }
}
