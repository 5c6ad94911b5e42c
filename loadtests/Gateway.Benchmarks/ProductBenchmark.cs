using System.Diagnostics;
using Gateway.Model.Numerics;

namespace Gateway.Benchmarks;

/// <summary>f32 products of training shapes as a share of the measured peak of fused multiply-adds.</summary>
/// <remarks>
/// Shapes and the peak take turns in every repetition, so that a disturbance of the machine hits all of them;
/// the best repetition is printed beside the median. On a machine that other work shares, wall-clock rates say little:
/// the last column is the rate per second of processor time (waiting threads included) over the peak of one core.
/// </remarks>
internal static unsafe class ProductBenchmark
{
    private const double TargetSeconds = 0.02;

    // Rows (tokens), inputs, outputs of one linear layer.
    private static readonly (int Rows, int Inputs, int Outputs)[] s_shapes =
    [
        (512, 192, 192), (512, 256, 1024), (1024, 256, 256), (1024, 384, 1024), (2048, 192, 512),
        (2048, 512, 512), (2048, 1024, 256), (512, 576, 1536), (512, 1536, 576), (1024, 256, 4096),
        (1, 256, 1024), (1, 576, 1536), (8, 576, 1536),
    ];

    public static void Run(string[] args)
    {
        int threads = args.Length > 0 ? int.Parse(args[0]) : Environment.ProcessorCount;
        int repetitions = args.Length > 1 ? int.Parse(args[1]) : 5;
        using var compute = new Compute(threads);
        using var cases = new DisposableList();
        foreach ((int rows, int inputs, int outputs) in s_shapes)
        {
            cases.Add(new LinearCase(compute, rows, inputs, outputs));
        }

        double peak = 0;
        for (int repetition = 0; repetition < repetitions; repetition++)
        {
            peak = Math.Max(peak, MachineLimits.MeasureFmaPeak(threads));
            foreach (LinearCase linear in cases.Items)
            {
                linear.Measure();
            }
        }

        Console.WriteLine($"kernels {compute.Kernels.Name}, {threads} threads, peak {peak / 1e9:F0} GFLOPS, {repetitions} repetitions: best (median) GFLOPS, best share of peak, best share of processor time");
        Console.WriteLine($"{"rows x in x out",-20}{"y = x·Wᵀ",38}{"dX = dY·W",38}{"dW += dYᵀ·X",38}");
        foreach (LinearCase linear in cases.Items)
        {
            Console.WriteLine(linear.Describe(peak, peak / threads));
        }
    }

    private sealed class DisposableList : IDisposable
    {
        public List<LinearCase> Items { get; } = [];

        public void Add(LinearCase item) => Items.Add(item);

        public void Dispose() => Items.ForEach(item => item.Dispose());
    }

    /// <summary>The three products of one linear layer.</summary>
    private sealed class LinearCase : IDisposable
    {
        private readonly Compute _compute;
        private readonly int _rows;
        private readonly int _inputs;
        private readonly int _outputs;
        private readonly Matrix _x;
        private readonly Matrix _y;
        private readonly Matrix _weight;
        private readonly Matrix _gradient;
        private readonly PackedMatrix _forward;
        private readonly PackedMatrix _backward;
        private readonly List<(double Wall, double Processor)>[] _rates = [[], [], []];

        public LinearCase(Compute compute, int rows, int inputs, int outputs)
        {
            _compute = compute;
            _rows = rows;
            _inputs = inputs;
            _outputs = outputs;
            _x = new Matrix(rows, inputs);
            _y = new Matrix(rows, outputs);
            _weight = new Matrix(outputs, inputs);
            _gradient = new Matrix(outputs, inputs);
            _forward = new PackedMatrix(inputs, outputs);
            _backward = new PackedMatrix(outputs, inputs);
            var random = new Random(1);
            foreach (Matrix matrix in new[] { _x, _y, _weight })
            {
                foreach (ref float value in matrix.Span)
                {
                    value = random.NextSingle() - 0.5f;
                }
            }

            _forward.PackTransposed(_weight.Data, inputs);
            _backward.Pack(_weight.Data, inputs);
        }

        public void Measure()
        {
            Time(0, () => _compute.Multiply(_x.Data, _inputs, _rows, _forward, _y.Data, _outputs, accumulate: false));
            Time(1, () => _compute.Multiply(_y.Data, _outputs, _rows, _backward, _x.Data, _inputs, accumulate: false));
            Time(2, () => _compute.MultiplyTransposed(_y.Data, _outputs, _x.Data, _inputs, _rows, _outputs, _inputs, _gradient.Data, _inputs, accumulate: false));
        }

        public string Describe(double peak, double corePeak)
        {
            string Cell(List<(double Wall, double Processor)> rates)
            {
                double wall = rates.Max(rate => rate.Wall);
                double median = rates.Select(rate => rate.Wall).Order().ElementAt(rates.Count / 2);
                return $"{wall / 1e9:F0} ({median / 1e9:F0}) {100 * wall / peak,6:F1} % {100 * rates.Max(rate => rate.Processor) / corePeak,6:F1} %";
            }

            return $"{_rows + " x " + _inputs + " x " + _outputs,-20}{string.Concat(_rates.Select(rates => $"{Cell(rates),38}"))}";
        }

        public void Dispose()
        {
            _x.Dispose();
            _y.Dispose();
            _weight.Dispose();
            _gradient.Dispose();
            _forward.Dispose();
            _backward.Dispose();
        }

        private void Time(int product, Action multiply)
        {
            multiply();
            double operations = 2.0 * _rows * _inputs * _outputs;
            int calls = 0;
            TimeSpan busy = Environment.CpuUsage.TotalTime;
            long started = Stopwatch.GetTimestamp();
            do
            {
                multiply();
                calls++;
            }
            while (Stopwatch.GetElapsedTime(started).TotalSeconds < TargetSeconds);

            double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
            busy = Environment.CpuUsage.TotalTime - busy;
            _rates[product].Add((operations * calls / seconds, operations * calls / busy.TotalSeconds));

            // Keep values small: dX overwrites x with growing numbers.
            foreach (ref float value in _x.Span)
            {
                value = Math.Clamp(value, -1f, 1f);
            }
        }
    }
}
